"""The HTTP core of every server of penult: limits, access, request ids, logs, pages, and a graceful end. It knows no model.

In: an ASGI application. Out: the same application behind a `Guard`, at a socket. Only `server` needs the extra `serve`.
"""

from penult.web.body import BodyReader, Told
from penult.web.guard import PAGE_HEADERS, Access, Guard, host_name
from penult.web.limits import MB, HttpLimits
from penult.web.logs import event, json_logs
from penult.web.multipart import FormFile, parse_form
from penult.web.refusal import Refusal
from penult.web.routing import header_map, json_response, route_app
from penult.web.server import WebServer, address_of, bind, check_extra, is_loopback
from penult.web.session import BrowserSession

__all__ = [
    "MB", "PAGE_HEADERS",
    "Access", "BodyReader", "BrowserSession", "FormFile", "Guard", "HttpLimits", "Refusal", "Told", "WebServer", "address_of",
    "bind", "check_extra", "event", "header_map", "host_name", "is_loopback", "json_logs", "json_response", "parse_form",
    "route_app",
]  # fmt: skip
