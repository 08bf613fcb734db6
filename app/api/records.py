"""The ledger over HTTP: ``/v1/records``, one of them, and metrics of them."""

import orjson

from app.api.transport import Call
from app.domain.errors import AccessError, AccessProblem, RequestError
from app.domain.protocols import Caller


async def _reader(call: Call) -> Caller:
    caller = await call.authenticate()
    if not caller.may_read_records:
        raise AccessError(
            AccessProblem.FORBIDDEN,
            "This key may not read records; one made with 'keys create --records' may.",
        )
    return caller


async def list_records(call: Call) -> None:
    """A page of records, filtered by the query."""
    caller = await _reader(call)
    query = call.query_fields()
    await call.answer(orjson.dumps(await call.parts.gateway.records(query, caller)))


async def measure(call: Call) -> None:
    """Product metrics of live traffic, by the query."""
    caller = await _reader(call)
    made = await call.parts.gateway.report(call.query_fields(), caller)
    await call.answer(orjson.dumps(made, option=orjson.OPT_UTC_Z))


async def read_record(call: Call) -> None:
    """One record."""
    caller = await _reader(call)
    record = await call.parts.gateway.record(call.path_params["request_id"], caller)
    if record is None:
        what = "There is no such record, or this key may not read it."
        raise RequestError(what, code="not_found", param="request_id")
    await call.answer(orjson.dumps(record))
