"""What the devices in Python share: SAS tokens, what they are told on the command line, and what they tell, a line of JSON each."""
import base64
import hashlib
import hmac
import json
import sys
import time
import urllib.parse

# idScope, registrationId, key (base64) or certificate and privateKey (files), ca (file), port, webSocket
told = json.load(open(sys.argv[1]))


def tell(**what):
    print(json.dumps(what), flush=True)


def sas(resource, policy=None):
    expiry = int(time.time()) + 3600
    quoted = urllib.parse.quote(resource, safe="")
    signed = hmac.new(base64.b64decode(told["key"]), f"{quoted}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(signed).decode(), safe="")
    token = f"SharedAccessSignature sr={quoted}&sig={signature}&se={expiry}"
    return token if policy is None else f"{token}&skn={policy}"
