"""The dialect of Checkly's heartbeats: the URL is nothing but the token.

A ping is a success; `Origin` says who sent it; a JSON object in the body is metadata.
Answers are text.
"""

from aiohttp import web

from heartbeats.core.model import Kind
from heartbeats.edges.ping import answers, jsonbody
from heartbeats.edges.ping.acceptance import Acceptance, Report
from heartbeats.edges.ping.requests import Call


async def heartbeat(call: Call, acceptance: Acceptance) -> web.Response:
    """Record a success."""
    view = await acceptance.find(call)
    text = await call.text()
    metadata = jsonbody.parse(text)
    if metadata is None:
        report = Report(kind=Kind.SUCCESS, output=text)
    else:
        kept = jsonbody.fit(metadata, answers.BODY_LIMIT)
        report = Report(kind=Kind.SUCCESS, detail={"metadata": kept})
    await acceptance.record(call, view, report)
    return answers.ok()
