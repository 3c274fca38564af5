"""The marts: tables for analysts, computed in DuckDB from the lake tables by the SQL files of this folder."""
