"""Any FHIR R4 server (https://hl7.org/fhir/R4/http.html) as a destination: what it can do, logging in, writing.

``capability`` tells the write form, ``plan`` who writes what and in which order, ``bundles`` cuts it to size,
``client`` sends, ``delivery`` sends until every outcome is known. What is to be sent, and what was sent before, lives
elsewhere.
"""
