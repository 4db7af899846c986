#!/usr/bin/env bash
# pyvo 1.9.1 (pyvo.samp, which astropy.samp became).
# Expected: SAMP knows strings, lists and maps alone, so the client turns numbers of a message into strings, or refuses
# them. Found: a row number 3, a 2.5 and a True go out as XML-RPC's int, double and boolean; client and hub let them pass,
# and a client in Python gets them back as numbers. Receivers that keep to the standard (TOPCAT, Aladin and others by
# JSAMP) need "3".
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh pyvo==1.9.1 astropy==8.0.2 numpy==2.4.6
export HOME=$PWD
cat > samp.py <<'PYTHON'
import threading

from pyvo.samp import SAMPHubServer, SAMPIntegratedClient

hub = SAMPHubServer(web_profile=False, mode="multiple", addr="127.0.0.1")
hub.start()
sender, receiver = (SAMPIntegratedClient(name=name, addr="127.0.0.1") for name in ("sender", "receiver"))
received, arrived = [], threading.Event()


def receive(private_key, sender_id, mtype, params, extra):
    received.append(params)
    arrived.set()


try:
    sender.connect(hub=hub)
    receiver.connect(hub=hub)
    receiver.bind_receive_notification("table.highlight.row", receive)
    message = {"table-id": "stars", "row": 3, "x": 2.5, "flag": True}
    sender.notify_all({"samp.mtype": "table.highlight.row", "samp.params": message})
    arrived.wait(20)
finally:
    for client in (sender, receiver):
        if client.is_connected:
            client.disconnect()
    hub.stop()
kinds = {name: type(value).__name__ for name, value in received[0].items()}
print("types that arrived:", kinds)
assert (kinds["row"], kinds["x"], kinds["flag"]) == ("int", "float", "bool"), "numbers are strings or refused now"
print("holds")
PYTHON
venv/bin/python -W ignore samp.py
