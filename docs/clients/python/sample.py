"""Takes a seat, keeps it, reports a base, gives the seat back: by the client that openapi-python-client made of /openapi.json."""

import json
import os
import secrets
import sys

from licence_client import AuthenticatedClient
from licence_client.api.seats import check_out, give_back, heartbeat, report_sessions
from licence_client.models import CheckOutRequest, CheckOutResult, Heartbeat, Holder
from licence_client.models import Problem, ReportedSession, SeatProblem, SessionReport
from proof import verify_proof


# In docs/client.md
def with_seat(url, token, keys, work):
    client, nonce = AuthenticatedClient(base_url=url, token=token), secrets.token_urlsafe()
    holder = Holder(base="trade", user="anna", host="pc-1", session=str(os.getpid()))
    grant = check_out.sync(client=client, body=CheckOutRequest(product="erp", holder=holder, nonce=nonce))
    if not isinstance(grant, CheckOutResult):  # a Problem; of 409 a SeatProblem, with the counts of seats
        raise SystemExit(f"{grant.reason}: {grant.detail}" if grant else "that was no licence server")
    verify_proof(grant.proof, keys, "erp", nonce)
    try:
        return work(client, grant)  # calls heartbeat.sync(…) whenever grant.heartbeat_after_seconds are over
    finally:
        give_back.sync_detailed(grant.lease_id, client=client)
# end


def report(client, base, users):
    sessions = [ReportedSession(product="erp", user=user, host="pc-2") for user in users]
    return report_sessions.sync(base, client=client, body=SessionReport(sessions=sessions, base=base))


def work(client, grant):
    beat = heartbeat.sync(grant.lease_id, client=client)
    assert isinstance(beat, Heartbeat), beat
    reported = report(client, sys.argv[3], ["Борис", "vera"])
    other = Holder(base="trade", user="grigory", host="pc-3")
    refused = check_out.sync(client=client, body=CheckOutRequest(product="erp", holder=other))
    assert isinstance(refused, SeatProblem), refused
    return {
        "leaseId": str(grant.lease_id),
        "expiresAt": grant.expires_at.isoformat(),
        "support": grant.support.state,
        "limit": grant.seats.limit,
        "beat": beat.expires_at >= grant.expires_at,
        "outcomes": [session.outcome for session in reported.sessions],
        "refused": {"reason": refused.reason, "limit": refused.seats.limit, "inUse": refused.seats.in_use},
        "released": report(client, sys.argv[3], []).released,
        "base": reported.base,
    }


if sys.argv[1] == "verify":
    for case in json.load(open(sys.argv[2])):
        try:
            print(json.dumps(verify_proof(case["proof"], case["jwks"], case["product"], case["nonce"], case["now"])["leaseId"]))
        except Exception as error:
            print(json.dumps({"refused": str(error)}))
else:
    url, token = sys.argv[1], os.environ.get("LICENCE_TOKEN", "")
    done = with_seat(url, token, json.load(open(sys.argv[2])), work)
    lost = heartbeat.sync(done["leaseId"], client=AuthenticatedClient(base_url=url, token=token))
    assert isinstance(lost, Problem), lost
    print(json.dumps({**done, "afterwards": lost.reason}))
