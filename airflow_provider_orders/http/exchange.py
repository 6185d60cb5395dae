"""One request from signing to a checked answer, written once for both clients.

The steps are generators. They yield what is to be done - :class:`Send`, :class:`Sleep`,
:class:`Exclusively`, :class:`Mask` - and a client does it with its own library and its own way of waiting. So each rule
(origin, retry, login, budget) exists once.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urljoin

import msgspec
from tenacity import DoAttempt, DoSleep, RetryCallState, Retrying, retry_if_exception_type

from airflow_provider_orders.apis.auth import fits_header
from airflow_provider_orders.errors import (
    ApiUnavailableError,
    AuthenticationError,
    ConfigurationError,
    OrdersError,
    RateLimitedError,
    UnexpectedPayloadError,
)
from airflow_provider_orders.http.policy import FailedAttempt, RequestBudget, RetryPolicy, retry_after_s

if TYPE_CHECKING:
    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.http.messages import Exchange, Request, Response

__all__ = ["Command", "Exchanger", "Exclusively", "Mask", "Send", "Sleep", "Steps"]

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_JSON = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request to this address and read the answer to its end; no redirect, no cookie, no retry.

    The client raises :class:`FailedAttempt` for a connection that failed and a body that was cut.
    """

    url: str = field(repr=False)
    request: Request


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Exclusively:
    """Take these steps while nobody else of this client takes theirs."""

    steps: Steps[Any]


@dataclass(frozen=True, slots=True)
class Mask:
    """Have a credential masked in the logs, before it is first used."""

    credential: str = field(repr=False)


Command: TypeAlias = Send | Sleep | Exclusively | Mask
Steps: TypeAlias = Generator[Command, Any, _T]


@dataclass(frozen=True, slots=True)
class _Credential:
    value: str = field(repr=False)
    generation: int


class Exchanger:
    """The exchanges of one client with one vendor.

    :param api: the vendor, for one connection.
    :param policy: what is repeated, and how patiently.
    """

    def __init__(self, api: OrderApi[Any], *, policy: RetryPolicy | None = None) -> None:
        settings = api.settings
        self.api = api
        self.policy = policy or RetryPolicy()
        self.origin = settings.origin
        self.requests_sent = 0
        self._base_url = settings.base_url
        self._budget = RequestBudget(settings.requests_per_minute, burst=settings.concurrency)
        self._credential: _Credential | None = None
        self._login_error: AuthenticationError | None = None

    def follow(self, exchange: Exchange[_T]) -> Steps[_T]:
        """Carry out a vendor's exchange: each request signed, each answer a success."""
        return self._drive(exchange, self.authorized)

    def authorized(self, request: Request) -> Steps[Response]:
        """Send one request signed; after a rejection sign in once and repeat it once.

        :raises AuthenticationError: the credentials were rejected, also after signing in again.
        :raises OrdersError: any other answer that is no success.
        """
        auth = self.api.auth
        credential = self._credential or (yield Exclusively(self._sign_in(stale=None)))
        response = yield from self._repeat(auth.sign(request, credential.value))
        if auth.rejects(response) and auth.renewable:
            log.info("%s no longer accepts the session; signing in again", self.api.title)
            credential = yield Exclusively(self._sign_in(stale=credential))
            response = yield from self._repeat(auth.sign(request, credential.value))
        if auth.rejects(response):
            raise self._rejected(response)
        if not 200 <= response.status < 300:
            raise self._failure(response)
        return response

    def too_large(self, request: Request, status: int) -> UnexpectedPayloadError:
        """Word the error for an answer beyond the largest accepted."""
        return UnexpectedPayloadError(
            f"The answer is larger than {self.policy.max_body_bytes // 2**20} MiB; lower page_size of the connection.",
            vendor=self.api.vendor,
            method=request.method,
            path=request.path,
            status=status,
        )

    def _rejected(self, response: Response) -> OrdersError:
        failure = self.api.failure(response)
        if response.status in {401, 403}:
            return failure
        return AuthenticationError(
            f"{self.api.title} rejected {self.api.settings.credentials}; check the connection.",
            vendor=self.api.vendor,
            method=response.request.method,
            path=response.request.path,
            status=response.status,
            attempts=response.attempts,
        )

    def _sign_in(self, stale: _Credential | None) -> Steps[_Credential]:
        """Give a credential newer than the stale one; runs exclusively, so many callers need one login."""
        current = self._credential
        if current is not None and (stale is None or current.generation > stale.generation):
            return current
        if self._login_error is not None:
            raise self._login_error
        try:
            value = yield from self._drive(self.api.auth.obtain(), self._repeat)
        except AuthenticationError as error:
            self._login_error = error
            raise
        yield Mask(value)
        self._credential = _Credential(value, current.generation + 1 if current else 1)
        return self._credential

    @staticmethod
    def _drive(exchange: Exchange[_T], send: Callable[[Request], Steps[Response]]) -> Steps[_T]:
        response: Response | None = None
        while True:
            try:
                request = exchange.send(response) if response is not None else next(exchange)
            except StopIteration as stop:
                result: _T = stop.value
                return result
            response = yield from send(request)

    def _repeat(self, request: Request) -> Steps[Response]:
        """Send a request until an attempt gives a usable answer or none is left."""
        retrying = Retrying(
            retry=retry_if_exception_type(FailedAttempt),
            stop=lambda state: not request.may_repeat or self._is_last(state),
            wait=self._wait_s,
            before_sleep=lambda state: self._announce(request, state),
            reraise=True,
        )
        retrying.begin()
        state = RetryCallState(retrying, None, (), {})
        while True:
            try:
                step = retrying.iter(retry_state=state)
            except FailedAttempt as failed:
                raise failed.final(
                    vendor=self.api.vendor,
                    method=request.method,
                    path=request.path,
                    attempts=state.attempt_number,
                ) from None
            if isinstance(step, DoAttempt):
                try:
                    response = yield from self._attempt(request)
                except FailedAttempt:
                    state.set_exception(sys.exc_info())  # type: ignore[arg-type]
                else:
                    state.set_result(replace(response, attempts=state.attempt_number))
            elif isinstance(step, DoSleep):
                state.prepare_for_next_attempt()
                yield Sleep(float(step))
            else:
                answer: Response = step
                return answer

    def _is_last(self, state: RetryCallState) -> bool:
        asked = _failed(state).retry_after_s or 0.0
        return state.attempt_number >= self.policy.attempts or asked > self.policy.max_retry_after_s

    def _wait_s(self, state: RetryCallState) -> float:
        asked = _failed(state).retry_after_s
        backoff = self.policy.backoff_s(state.attempt_number)
        # A little jitter on top of the vendor's own wait, so that many clients do not return together.
        return backoff if asked is None else asked + backoff * 0.1

    def _announce(self, request: Request, state: RetryCallState) -> None:
        log.warning(
            "%s: attempt %d of %d at %s %s failed (%s); next in %.1f s",
            self.api.title,
            state.attempt_number,
            self.policy.attempts,
            request.method,
            request.path,
            _failed(state).reason,
            state.upcoming_sleep,
        )

    def _attempt(self, request: Request) -> Steps[Response]:
        response = yield from self._send_within_origin(request)
        if self.api.auth.rejects(response):
            return response
        if self.api.is_outage(response):
            raise self._outage(response)
        if request.expects_json and 200 <= response.status < 300:
            return replace(response, decoded=self._decode(response))
        return response

    def _send_within_origin(self, request: Request) -> Steps[Response]:
        """Send a request; follow redirects of a GET by hand, and never out of the origin."""
        if not all(map(fits_header, request.headers.values())):
            raise ConfigurationError(
                "A header cannot carry what the connection holds: password, or another field that is sent, begins or "
                "ends with white space, or holds a line break or a letter outside of ASCII; paste it again.",
                field="password",
                vendor=self.api.vendor,
                method=request.method,
                path=request.path,
            )
        url = self._base_url + request.target
        for _ in range(self.policy.max_redirects + 1):
            delay = self._budget.reserve()
            if delay:
                yield Sleep(delay)
            self.requests_sent += 1
            response: Response = yield Send(url, request)
            location = response.location
            if location is None:
                return response
            self.origin.check(
                location, vendor=self.api.vendor, what=f"A redirect of {request.method} {request.path}"
            )
            follows = request.method == "GET" and request.follow_redirects
            if not follows or self.api.auth.rejects(response):
                return response
            url = urljoin(url, location)
        raise UnexpectedPayloadError(
            f"More than {self.policy.max_redirects} redirects in a row; check the host of the connection.",
            vendor=self.api.vendor,
            method=request.method,
            path=request.path,
            status=response.status,
        )

    def _outage(self, response: Response) -> FailedAttempt:
        wait_s = retry_after_s(response.headers.get("retry-after"))
        if wait_s is not None and wait_s <= self.policy.max_retry_after_s:
            self._budget.halt(wait_s)

        def error(attempts: int) -> OrdersError:
            return self._failure(replace(response, attempts=attempts))

        return FailedAttempt(f"HTTP {response.status}", error=error, retry_after_s=wait_s)

    def _failure(self, response: Response) -> OrdersError:
        error = self.api.failure(response)
        if isinstance(error, RateLimitedError | ApiUnavailableError):
            error.retry_after_s = retry_after_s(response.headers.get("retry-after"))
        return error

    def _decode(self, response: Response) -> Any:
        """Read a body that must be JSON; None where it is, but of another shape than the request expects.

        :raises FailedAttempt: it is no JSON, or cut short.
        """
        decode = response.request.decode
        try:
            if decode is not None:
                with contextlib.suppress(msgspec.ValidationError):
                    return decode(response.body)
            _JSON.decode(response.body)
        except msgspec.DecodeError:
            kind = response.headers.get("content-type", "no content type").split(";")[0]
            what = (
                "an HTML page" if response.body.lstrip()[:1] == b"<" else f"a body that is not JSON ({kind})"
            )

            def error(attempts: int) -> OrdersError:
                return UnexpectedPayloadError(
                    f"{self.api.title} answered {what} where it documents JSON; check the host of the connection, "
                    "and whether a proxy or a maintenance page answers in its place.",
                    vendor=self.api.vendor,
                    method=response.request.method,
                    path=response.request.path,
                    status=response.status,
                    attempts=attempts,
                )

            raise FailedAttempt(what, error=error) from None
        return None


def _failed(state: RetryCallState) -> FailedAttempt:
    failed = state.outcome.exception() if state.outcome else None
    return failed if isinstance(failed, FailedAttempt) else FailedAttempt("unknown")
