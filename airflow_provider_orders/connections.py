"""The form of each connection type, declared once as plain data.

Airflow 3.2 and later read the form from the provider info (``provider_info_entry``); 3.1 asks the hook for WTForms
fields (``form_widgets``, ``ui_field_behaviour``). Both are rendered from :data:`FORMS`, so they cannot disagree.

A new vendor is one more :class:`ConnectionForm` in :data:`FORMS`; nothing else here changes. Airflow itself checks
nothing of what is typed, and every process imports this module: validation belongs to the vendor's settings, heavy
imports to the functions that need them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FORMS",
    "ConnectionForm",
    "ExtraField",
    "StandardField",
    "form_widgets",
    "hook_class_name",
    "provider_info_entry",
    "ui_field_behaviour",
]

ADVANCED: Final = "Advanced"
"""Section of the fields that most people leave alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardField:
    """How one of Airflow's own fields (host, login, password) reads on a form.

    :param label: what Airflow's label is replaced with.
    :param placeholder: grey text in the empty box: the form of the value and what happens when it stays empty.
    """

    label: str
    placeholder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraField:
    """A field that is kept in the connection's ``extra``.

    Airflow masks extras by their name, whatever the form says, so a secret one is named with *token*, *secret*,
    *password* or *api_key*, and a harmless one is not.

    :param name: key in ``extra``.
    :param label: what stands beside the box.
    :param help: what to type, where to find it, and what an empty box means.
    :param type: JSON type of the value.
    :param required: whether the form insists on a value (3.2 and later).
    :param secret: whether the box hides what is typed.
    :param default: value that the form starts with.
    :param minimum: smallest number that makes sense.
    :param maximum: largest number that makes sense.
    :param choices: allowed values and how each one reads, in order.
    :param examples: values to suggest where others are allowed too.
    :param section: group on the form; none for the first, unnamed one.
    """

    name: str
    label: str
    help: str
    type: Literal["string", "integer", "boolean"] = "string"
    required: bool = False
    secret: bool = False
    default: str | int | bool | None = None
    minimum: int | None = None
    maximum: int | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    section: str | None = None

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema that Airflow 3.2 and later draw the field from."""
        # Airflow calls a field required when its type lacks "null".
        schema: dict[str, Any] = {"type": self.type if self.required else [self.type, "null"]}
        optional = {
            "format": "password" if self.secret else None,
            "default": self.default,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "enum": list(self.choices) or None,
            "values_display": dict(self.choices) or None,
            "examples": list(self.examples) or None,
            "section": self.section,
        }
        return schema | {key: value for key, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionForm:
    """One connection type: what Airflow calls it, which hook reads it, and what a person fills in.

    :param conn_type: the connection type; no double underscore, which Airflow uses as a separator.
    :param name: the vendor's name, shown in Airflow's list of connection types.
    :param documentation_url: the vendor's own API reference.
    :param hook_class_name: dotted path of the hook.
    :param host: how the host field reads.
    :param login: how the login field reads; none hides it.
    :param password: how the password field reads.
    :param fields: the vendor's own extras, in the order of the form.
    :param page_size: orders a page when the page-size field stays empty.
    :param max_page_size: largest page that the vendor accepts.
    :param assumed_timezone: zone of dates that come without one, when that field stays empty.
    """

    conn_type: str
    name: str
    documentation_url: str
    hook_class_name: str
    host: StandardField
    login: StandardField | None
    password: StandardField
    fields: tuple[ExtraField, ...] = ()
    page_size: int
    max_page_size: int
    assumed_timezone: str

    def extra_fields(self) -> tuple[ExtraField, ...]:
        """Return the vendor's own extras, then those that every type has."""
        return (*self.fields, *_common_fields(self.page_size, self.max_page_size, self.assumed_timezone))

    def hidden_fields(self) -> list[str]:
        """Return Airflow's own fields that mean nothing here."""
        return ["schema"] if self.login else ["schema", "login"]

    def relabeling(self) -> dict[str, str]:
        """Return the labels of Airflow's own fields."""
        return {name: standard.label for name, standard in self._standard_fields().items()}

    def labels(self) -> dict[str, str]:
        """Return the label of every field that the form shows, by the field's name."""
        return self.relabeling() | {extra.name: extra.label for extra in self.extra_fields()}

    def placeholders(self) -> dict[str, str]:
        """Return the grey texts of Airflow's own fields."""
        return {name: standard.placeholder for name, standard in self._standard_fields().items()}

    def _standard_fields(self) -> dict[str, StandardField]:
        named = {"host": self.host, "login": self.login, "password": self.password, "port": _PORT}
        return {name: standard for name, standard in named.items() if standard is not None}


# Airflow 3.3.1 and 3.3.2 refuse to test a connection that is stored without a port: apache/airflow#73298.
_PORT: Final = StandardField(
    label="Port",
    placeholder="Leave empty for 443; if Test says Bad Request, type 443 here",
)


def _common_fields(page_size: int, max_page_size: int, assumed_timezone: str) -> tuple[ExtraField, ...]:
    return (
        ExtraField(
            name="page_size",
            label="Orders per page",
            help=f"How many orders one request asks for, 1 to {max_page_size}. Leave empty for {page_size}.",
            type="integer",
            minimum=1,
            maximum=max_page_size,
            section=ADVANCED,
        ),
        ExtraField(
            name="concurrency",
            label="Pages at once",
            help="How many pages are fetched side by side, 1 to 32. Use 1 to spare a slow API. Leave empty for 4.",
            type="integer",
            minimum=1,
            maximum=32,
            section=ADVANCED,
        ),
        ExtraField(
            name="timeout_s",
            label="Time-out (seconds)",
            help="How long to wait for the API before a request is tried again. Leave empty for 30.",
            type="integer",
            minimum=1,
            maximum=600,
            section=ADVANCED,
        ),
        ExtraField(
            name="requests_per_minute",
            label="Requests per minute, at most",
            help="Slows down before the API has to refuse. Counted per running task. Leave empty for no limit.",
            type="integer",
            minimum=1,
            section=ADVANCED,
        ),
        ExtraField(
            name="assumed_timezone",
            label="Time zone of dates without one",
            help=(
                "Some dates of the API come without a time zone. Name the zone to read them in, in the form "
                f"Europe/Paris. Leave empty for {assumed_timezone}."
            ),
            examples=("UTC", "Europe/Paris", "Africa/Tunis", "Africa/Douala"),
            section=ADVANCED,
        ),
        ExtraField(
            name="console_url",
            label="Page of an order in the back office",
            help=(
                "Where a person looks an order up, with {order_id} in the place of its id, in the form "
                "https://admin.example.com/orders/{order_id}. Tasks then link to it. Leave empty for no link."
            ),
            section=ADVANCED,
        ),
        ExtraField(
            name="allow_http",
            label="Allow plain http",
            help=(
                "Accept a host that starts with http:// although it is another machine. Credentials and orders then "
                "travel unprotected: only for a test server of your own. Off by default."
            ),
            type="boolean",
            default=False,
            section=ADVANCED,
        ),
    )


_POPSELL = ConnectionForm(
    conn_type="popsell",
    name="Popsell",
    documentation_url="https://apidoc.popsell.com",
    hook_class_name="airflow_provider_orders.hooks.popsell.PopsellHook",
    host=StandardField(
        label="API host (required)",
        placeholder="https://your-popsell-host - the part of your API address before /api/v2",
    ),
    login=StandardField(
        label="E-mail",
        placeholder="you@example.com - leave empty with an access token or an API key",
    ),
    password=StandardField(
        label="Token, key or password",
        placeholder="Paste it here, then choose under Sign in with which of the three it is",
    ),
    fields=(
        ExtraField(
            name="auth",
            label="Sign in with",
            help=(
                "What the field 'Token, key or password' holds: an access token (token) that is sent as it is; an API "
                "key (api_key), exchanged for a token; or the password of the E-mail (login). Default: token."
            ),
            default="token",
            choices={
                "token": "Access token",
                "api_key": "API key",
                "login": "E-mail and password",
            },
        ),
        ExtraField(
            name="domain",
            label="Popsell domain",
            help=(
                "The domain that your account belongs to, in the form example.com, without https://. Sent as "
                "X-Popsell-Domain. Required with an API key or a password, optional with an access token."
            ),
        ),
        ExtraField(
            name="brand_id",
            label="Brand number",
            help=(
                "The number of one brand, for accounts that have several. Sent as X-Popsell-Brand. Leave empty to send "
                "none."
            ),
            type="integer",
            minimum=0,
        ),
    ),
    page_size=100,
    max_page_size=100,  # assumed: Popsell documents no maximum
    assumed_timezone="Europe/Paris",  # assumed: the vendor does not say
)

_DIPLI = ConnectionForm(
    conn_type="dipli",
    name="Dipli",
    documentation_url="https://doc-seller.dipli.com",
    hook_class_name="airflow_provider_orders.hooks.dipli.DipliHook",
    host=StandardField(
        label="API host",
        placeholder="Leave empty for https://bi.agora.place",
    ),
    login=None,
    password=StandardField(
        label="API key (required)",
        placeholder="The key of your seller account, the one sent in the header named apikey",
    ),
    fields=(
        ExtraField(
            name="seller",
            label="Seller",
            help=(
                "A name for the seller that the key belongs to: letters, digits, dots, dashes and underscores. Connections "
                "with the same name count as one account. Leave empty to use the id of the connection."
            ),
        ),
    ),
    page_size=100,
    max_page_size=100,  # assumed: Dipli documents no maximum
    assumed_timezone="Europe/Paris",  # assumed: the vendor does not say
)

_VALOMNIA = ConnectionForm(
    conn_type="valomnia",
    name="Valomnia",
    documentation_url="https://developers.valomnia.com",
    hook_class_name="airflow_provider_orders.hooks.valomnia.ValomniaHook",
    host=StandardField(
        label="Organisation (required)",
        placeholder="https://your-organisation.valomnia.com - as in the browser, up to .com",
    ),
    login=StandardField(
        label="E-mail (required)",
        placeholder="E-mail of a Valomnia user who may see the orders",
    ),
    password=StandardField(
        label="Password (required)",
        placeholder="The password of that user",
    ),
    fields=(
        ExtraField(
            name="api_version",
            label="API version",
            help="The version in the API's addresses, with its letter. Leave empty for v2.1.",
            examples=("v2.1", "v1.0"),
            section=ADVANCED,
        ),
    ),
    page_size=100,
    max_page_size=1000,
    assumed_timezone="UTC",
)

_GENUKA = ConnectionForm(
    conn_type="genuka",
    name="Genuka",
    documentation_url="https://docs.genuka.com",
    hook_class_name="airflow_provider_orders.hooks.genuka.GenukaHook",
    host=StandardField(
        label="API host",
        placeholder="Leave empty for https://api.genuka.com",
    ),
    login=StandardField(
        label="E-mail",
        placeholder="you@example.com - leave empty with an API key or an access token",
    ),
    password=StandardField(
        label="Key, token or password",
        placeholder="Paste it here, then choose under Sign in with which of the three it is",
    ),
    fields=(
        ExtraField(
            name="company_id",
            label="Company ID",
            help=(
                "Required: the ID of the company whose orders you read, 26 letters and digits in the form "
                "01hqydxwtxdj3kmzp3bz7jk73g. Not its name, handle or code. Sent as X-Company."
            ),
            required=True,
        ),
        ExtraField(
            name="auth",
            label="Sign in with",
            help=(
                "What the field 'Key, token or password' holds: an API key of the company (api_key), an access token "
                "(token), or the password of the E-mail (login). Default: api_key."
            ),
            default="api_key",
            choices={
                "api_key": "API key",
                "token": "Access token",
                "login": "E-mail and password",
            },
        ),
        ExtraField(
            name="api_version",
            label="API version",
            help="The date in the API's addresses, in the form 2023-11. Leave empty for 2023-11.",
            examples=("2023-11",),
            section=ADVANCED,
        ),
    ),
    page_size=100,
    max_page_size=100,
    assumed_timezone="UTC",
)

FORMS: Final[Mapping[str, ConnectionForm]] = MappingProxyType(
    {form.conn_type: form for form in (_POPSELL, _DIPLI, _VALOMNIA, _GENUKA)}
)
"""Every connection type of this provider, by its name."""


def hook_class_name(conn_type: str) -> str:
    """Return the dotted path of the hook that reads connections of a type.

    :param conn_type: a key of :data:`FORMS`.
    :raises LookupError: when this provider has no such type.
    """
    return _form(conn_type).hook_class_name


def provider_info_entry(conn_type: str) -> dict[str, Any]:
    """Return a type's entry in the provider info: the form for Airflow 3.2 and later.

    :param conn_type: a key of :data:`FORMS`.
    :raises LookupError: when this provider has no such type.
    """
    form = _form(conn_type)
    return {
        "connection-type": form.conn_type,
        "hook-class-name": form.hook_class_name,
        "hook-name": form.name,
        "ui-field-behaviour": {
            "hidden-fields": form.hidden_fields(),
            "relabeling": form.relabeling(),
            "placeholders": form.placeholders(),
        },
        "conn-fields": {
            extra.name: {"label": extra.label, "description": extra.help, "schema": extra.schema()}
            for extra in form.extra_fields()
        },
    }


def form_widgets(conn_type: str) -> dict[str, Any]:
    """Return what a hook's ``get_connection_form_widgets`` answers: the extras for Airflow 3.1.

    3.1 has no required fields, ranges, sections or labels of choices; the help texts say the same in words.

    :param conn_type: a key of :data:`FORMS`.
    :raises LookupError: when this provider has no such type.
    """
    # WTForms is no dependency of Airflow: 3.1 puts stubs in its place before it asks.
    from wtforms import BooleanField, IntegerField, PasswordField, StringField
    from wtforms.validators import Optional, any_of

    classes = {"string": StringField, "integer": IntegerField, "boolean": BooleanField}
    widgets = {}
    for extra in _form(conn_type).extra_fields():
        widget_class = PasswordField if extra.secret else classes[extra.type]
        validators = [] if extra.required else [Optional()]
        if extra.choices:
            validators.append(any_of(list(extra.choices)))
        widgets[extra.name] = widget_class(
            extra.label, validators=validators, description=extra.help, default=extra.default
        )
    return widgets


def ui_field_behaviour(conn_type: str) -> dict[str, Any]:
    """Return what a hook's ``get_ui_field_behaviour`` answers: Airflow's own fields, for Airflow 3.1.

    :param conn_type: a key of :data:`FORMS`.
    :raises LookupError: when this provider has no such type.
    """
    form = _form(conn_type)
    return {
        "hidden_fields": form.hidden_fields(),
        "relabeling": form.relabeling(),
        "placeholders": form.placeholders(),
    }


def _form(conn_type: str) -> ConnectionForm:
    try:
        return FORMS[conn_type]
    except KeyError:
        raise LookupError(
            f"no connection type {conn_type!r} here; there are {', '.join(sorted(FORMS))}"
        ) from None
