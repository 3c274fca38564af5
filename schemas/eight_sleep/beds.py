"""Users and beds as the community clients read them, without what tells who somebody is or where they live."""

from typing import Any

from schemas.eight_sleep.reading import Number, Silent


class CurrentDevice(Silent, frozen=True):
    """The bed a user sleeps in; ``side`` may be ``solo``."""

    id: str | None = None
    side: str | None = None
    time_zone: str | None = None
    specialization: str | None = None


class BedUser(Silent, frozen=True):
    """``user`` of GET /v1/users/{userId}, without what tells who it is (name, e-mail, birth): that is not read."""

    user_id: str
    timezone: str | None = None
    devices: tuple[str, ...] = ()
    current_device: CurrentDevice | None = None


class UserAnswer(Silent, frozen=True):
    """GET /v1/users/me and /v1/users/{userId}."""

    user: BedUser


class SensorInfo(Silent, frozen=True):
    """The hub, without label and serial number, which are not read."""

    sku_name: str | None = None
    model: str | None = None
    connected: bool | None = None
    last_connected: str | None = None


class Kelvin(Silent, frozen=True):
    """What one side is doing; levels."""

    target_levels: tuple[Number, ...] = ()
    level: Number | None = None
    current_target_level: Number | None = None
    active: bool | None = None
    current_activity: str | None = None
    schedule_profiles: Any = ()


class Bed(Silent, frozen=True):
    """``result`` of GET /v1/devices/{deviceId}, without network, place and serial numbers: those are not read.

    Heating levels are -100 to 100, durations seconds left. On a ``solo`` bed both users are the same.
    """

    device_id: str | None = None
    owner_id: str | None = None
    left_user_id: str | None = None
    right_user_id: str | None = None
    away_sides: Any = None
    left_heating_level: Number | None = None
    right_heating_level: Number | None = None
    left_target_heating_level: Number | None = None
    right_target_heating_level: Number | None = None
    left_now_heating: bool | None = None
    right_now_heating: bool | None = None
    left_heating_duration: Number | None = None
    right_heating_duration: Number | None = None
    priming: bool | None = None
    needs_priming: bool | None = None
    has_water: bool | None = None
    last_prime: str | None = None
    last_low_water: str | None = None
    led_brightness_level: Number | None = None
    sensor_info: SensorInfo = SensorInfo()
    timezone: str | None = None
    firmware_version: str | None = None
    firmware_updating: bool | None = None
    online: bool | None = None
    last_heard: str | None = None
    features: tuple[str, ...] = ()
    model_string: str | None = None
    left_kelvin: Kelvin = Kelvin()
    right_kelvin: Kelvin = Kelvin()


class CurrentState(Silent, frozen=True):
    """What a side does: ``off``, ``smart:bedtime``, ``smart:initial``, ``smart:final``."""

    type: str | None = None
    started: str | None = None


class SmartLevels(Silent, frozen=True):
    """The levels of a night: before sleep, in its first part, and in its last."""

    bed_time_level: Number | None = None
    initial_sleep_level: Number | None = None
    final_sleep_level: Number | None = None


class UserTemperature(Silent, frozen=True):
    """GET /v1/users/{userId}/temperature of the application host: what the user's side aims at and has; levels."""

    current_level: Number | None = None
    current_device_level: Number | None = None
    current_state: CurrentState = CurrentState()
    smart: SmartLevels = SmartLevels()


class BedAnswer(Silent, frozen=True):
    """GET /v1/devices/{deviceId}."""

    result: Bed
