"""What Moodle answers instead of an answer: HTTP 200 with an exception in it. Pure: code in, whose turn it is out.

The codes are those of Moodle's `lib/external`, `webservice/lib.php` and the functions that are called here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from agent.errors import ConfigError, InvalidInputError, RewardsError, TransientError

CODE_MAX = 64
"""Characters of a code that are repeated: Moodle's are short, and what is no code may be anything."""

_TOKEN_HINT = "make a token for the service's user (Site administration → Server → Web services → Manage tokens)"  # noqa: S105 - tells where one is made
_SERVICE_HINT = "see Site administration → Server → Web services → Overview: REST, an enabled service, its user"
_USER_HINT = "log in to Moodle as the service's user once, and see what Moodle asks of that account"
_ACCOUNT_HINT = "Site administration → Users → Accounts → Browse list of users: {}"

_EDITS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "invalidtoken": ("Moodle does not know the token", _TOKEN_HINT),
        "invalidtimedtoken": ("the token has expired", _TOKEN_HINT),
        "servicenotavailable": ("the web service is not there or is switched off", _SERVICE_HINT),
        "enablewsdescription": ("web services are switched off in Moodle", _SERVICE_HINT),
        "restprotocolnotenabled": ("the protocol REST is switched off in Moodle", _SERVICE_HINT),
        "usernotallowed": ("the token's user may not use this service", "add it: External services → Authorised users"),
        "wsaccessuserdeleted": ("the token's user was deleted", _TOKEN_HINT),
        "wsaccessusersuspended": ("the token's user is suspended", _ACCOUNT_HINT.format("activate it again")),
        "wsaccessuserunconfirmed": ("the token's user is not confirmed", _ACCOUNT_HINT.format("confirm it")),
        "wsaccessuserexpired": ("the password of the token's user has expired", _USER_HINT),
        "wsaccessusernologin": (
            "the token's user may not log in (nologin)",
            _ACCOUNT_HINT.format("edit it, authentication: Web services authentication"),
        ),
        "passwordisexpired": ("the password of the token's user has expired", _USER_HINT),
        "forcepasswordchangenotice": ("the token's user must change its password first", _USER_HINT),
        "sitepolicynotagreed": ("the token's user has not agreed to the site policy", _USER_HINT),
        "usernotfullysetup": ("the profile of the token's user is not complete", _USER_HINT),
    }
)
"""Codes that an administrator's edit cures: what is wrong, what to do."""

_WAITS: Mapping[str, str] = MappingProxyType(
    {
        "sitemaintenance": "Moodle is in maintenance mode",
        "climaintenance": "Moodle is in maintenance mode",
        "upgraderunning": "Moodle is being upgraded",
        "upgraderequired": "Moodle waits for its upgrade",
        "dbconnectionfailed": "Moodle does not reach its database",
        "dmlreadexception": "Moodle could not read its database",
        "dmlwriteexception": "Moodle could not write its database",
        "locktimeout": "Moodle is busy",
        "ex_unabletolock": "Moodle is busy",
        "ratelimit": "Moodle wants fewer requests",
        "ratelimitexceeded": "Moodle wants fewer requests",
        "toomanyrequests": "Moodle wants fewer requests",
    }
)
"""Codes that time cures."""

_WHOLE_FUNCTION = frozenset({"accessexception", "invalidfunction", "functionnotfound"})
"""Codes that refuse the function itself, whatever it is asked about: it is not in the service."""

LACKS_RIGHT = frozenset(
    {
        "nopermission",
        "nopermissions",
        "requireloginerror",
        "errorcoursecontextnotvalid",
        "nopermissiontoviewgrades",
        "cannotviewreport",
        "noviewdiscussionspermission",
        "noviewrate",
        "accessdenied",
        "notingroup",
    }
)
"""Codes that refuse something to this user; other codes say that there is no such thing.

A course that is closed to us is `errorcoursecontextnotvalid` where its people and its contents are asked for; a learner
of another group is `notingroup` where grades are; what somebody handed in is `nopermission`, without the s of others.
"""


FAILS = frozenset({"invalidresponse", "codingerror"})
"""Codes that say that Moodle fails on it itself: a name with a tag in it, say, breaks an answer that holds it."""


class NotToldError(InvalidInputError):
    """Moodle does not tell this. ``function`` was asked, ``code`` is Moodle's; ``whole``: the function is refused."""

    def __init__(self, function: str, code: str) -> None:
        self.function = function
        self.code = code
        self.whole = code in _WHOLE_FUNCTION
        super().__init__(f"{function} is refused: {code}", hint=_cure(code))


def _cure(code: str) -> str:
    if code in _WHOLE_FUNCTION:
        return "add the function to the service (External services → Functions), or see whether the token still holds"
    if code in FAILS:
        return "Moodle fails on it itself: its server's log of errors says on what"
    return "see which capability the function needs, and give it to the role of the service's user"


def fault_of(function: str, answer: object, place: str) -> RewardsError | None:
    """The fault that an answer tells; None where it is an answer. What Moodle writes besides the code is not repeated.

    ``place`` is where the site is configured, for the errors that an edit cures.
    """
    if not isinstance(answer, dict) or not ("exception" in answer or "errorcode" in answer):
        return None
    return _of_code(function, _code(answer), place)


def _code(answer: Mapping[str, Any]) -> str:
    code = answer.get("errorcode")
    known = isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum() and len(code) <= CODE_MAX
    return str(code) if known else "unknown"


def _of_code(function: str, code: str, place: str) -> RewardsError:
    if code in _EDITS:
        wrong, cure = _EDITS[code]
        return ConfigError(f"{place}: {wrong}", hint=cure)
    if code in _WAITS:
        return TransientError(f"{place}: {_WAITS[code]}", hint="nothing is lost: it is asked again later")
    return NotToldError(function, code)
