"""The cast of the sample: who they are, where they belong and what they may do there."""

from dataclasses import dataclass

ADMINISTRATORS = "mesh-admins"
AVIATION_STEWARDS = "aviation-stewards"
CLIMATE_STEWARDS = "climate-stewards"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in.

    Args:
        user: the subject of the token (`steward@aviation`).
        name: the first name, for the story.
        part: what the person is, for the story.
        groups: the groups in the token.
    """

    user: str
    name: str
    part: str
    groups: tuple[str, ...] = ()

    @property
    def principal(self) -> str:
        """How grants and memberships name this person."""
        return f"user:{self.user}"


ADMIN = Person("admin@mesh", "Ada", "platform administrator", (ADMINISTRATORS,))

AVIATION_HEAD = Person("head@aviation", "Katharine", "head of aviation")
AVIATION_STEWARD = Person(
    "steward@aviation", "Bessie", "data steward of aviation", (AVIATION_STEWARDS,)
)
FLIGHT_OWNER = Person("owner@flight-operations", "Amelia", "owner of flight-operations")
FLIGHT_CONTRIBUTOR = Person(
    "contributor@flight-operations", "Wilbur", "contributor to flight-operations"
)
FLIGHT_VIEWER = Person("viewer@flight-operations", "Orville", "viewer of flight-operations")

CLIMATE_STEWARD = Person(
    "steward@climate", "Eunice", "data steward of climate", (CLIMATE_STEWARDS,)
)
WEATHER_OWNER = Person("owner@weather-desk", "Luke", "owner of weather-desk")
WEATHER_CONTRIBUTOR = Person("contributor@weather-desk", "Anna", "contributor to weather-desk")
WEATHER_VIEWER = Person("viewer@weather-desk", "Robert", "viewer of weather-desk")

# Grace also owns the domain climate: that she may approve there, yet never what she herself
# asked for, is part of the story.
RESEARCH_OWNER = Person("owner@delay-research", "Grace", "owner of delay-research")
RESEARCH_ANALYST = Person("analyst@delay-research", "Florence", "analyst of delay-research")
RESEARCH_VIEWER = Person("viewer@delay-research", "Edith", "viewer of delay-research")

CAST = (
    ADMIN,
    AVIATION_HEAD,
    AVIATION_STEWARD,
    FLIGHT_OWNER,
    FLIGHT_CONTRIBUTOR,
    FLIGHT_VIEWER,
    CLIMATE_STEWARD,
    WEATHER_OWNER,
    WEATHER_CONTRIBUTOR,
    WEATHER_VIEWER,
    RESEARCH_OWNER,
    RESEARCH_ANALYST,
    RESEARCH_VIEWER,
)


@dataclass(frozen=True, slots=True)
class Place:
    """A domain or a project of the sample, and its first members (principal to role)."""

    name: str
    description: str
    members: tuple[tuple[str, str], ...]
    domain: str = ""


AVIATION = Place(
    "aviation",
    "Flights, aircraft, airlines and airports",
    (
        (AVIATION_HEAD.principal, "owner"),
        (f"group:{AVIATION_STEWARDS}", "steward"),
    ),
)
CLIMATE = Place(
    "climate",
    "Weather, and what it does to traffic",
    (
        (RESEARCH_OWNER.principal, "owner"),
        (f"group:{CLIMATE_STEWARDS}", "steward"),
    ),
)
FLIGHT_OPERATIONS = Place(
    "flight-operations",
    "Publishes what is known about each flight",
    (
        (FLIGHT_OWNER.principal, "owner"),
        (FLIGHT_CONTRIBUTOR.principal, "contributor"),
        (FLIGHT_VIEWER.principal, "viewer"),
    ),
    domain="aviation",
)
WEATHER_DESK = Place(
    "weather-desk",
    "Publishes the hourly weather at the airports",
    (
        (WEATHER_OWNER.principal, "owner"),
        (WEATHER_CONTRIBUTOR.principal, "contributor"),
        (WEATHER_VIEWER.principal, "viewer"),
    ),
    domain="climate",
)
DELAY_RESEARCH = Place(
    "delay-research",
    "Studies what makes flights late",
    (
        (RESEARCH_OWNER.principal, "owner"),
        (RESEARCH_ANALYST.principal, "contributor"),
        (RESEARCH_VIEWER.principal, "viewer"),
    ),
    domain="climate",
)
