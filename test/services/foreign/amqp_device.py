"""A device on Azure's own AMQP library in C (uamqp), links and addresses as its SDK for C writes them."""
import json
import time
import uuid

import uamqp
from uamqp import MessageBodyType, address, authentication, receiver, sender, types
from uamqp.message import MessageProperties

from device import sas, tell, told

HOST = "localhost"
PATIENCE = 20
# MESSAGE_SEND_OK
SENT = 1


class Connection:
    def __init__(self, auth):
        self.connection = uamqp.Connection(HOST, sasl=auth, container_id=str(uuid.uuid4()))
        self.session = uamqp.Session(self.connection, incoming_window=65536, outgoing_window=65536)
        self.links = []

    def link(self, at, properties, heard=None):
        symbols = {types.AMQPSymbol(key): value for key, value in properties.items()}
        if heard is None:
            link = sender.MessageSender(self.session, "device", address.Target(at), properties=symbols)
        else:
            link = receiver.MessageReceiver(self.session, address.Source(at), "device", on_message_received=heard, properties=symbols)
        link.open()
        self.links.append(link)
        self.until(lambda: "Open" == link.get_state().name)
        return link

    def until(self, is_so):
        end = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > end:
                raise TimeoutError()
            self.connection.work()
            time.sleep(0.002)

    def send(self, link, body, correlation=None, properties=None, annotations=None, **more):
        sent = []
        named = MessageProperties(message_id=str(uuid.uuid4()), correlation_id=correlation)
        message = uamqp.Message(body, properties=named, application_properties=properties, annotations=annotations, **more)
        link.send(message, lambda message, result, *_, **__: sent.append(result), timeout=PATIENCE)
        self.until(lambda: sent)
        if sent[0] != SENT:
            raise ConnectionError(sent[0])

    def close(self):
        for link in self.links:
            link.destroy()
        self.session.destroy()
        self.connection.destroy()


def text(message):
    return b"".join(message.get_data()).decode()


def register():
    name = f"{told['idScope']}/registrations/{told['registrationId']}"
    auth = authentication.SASLPlain(HOST, name, sas(name, "registration"), port=told["port"], verify=told["ca"])
    at = f"amqps://global.azure-devices-provisioning.net/{name}"
    version = {"com.microsoft:api-version": "2021-06-01"}
    connection, replies = Connection(auth), []
    incoming, outgoing = connection.link(at, version, replies.append), connection.link(at, version)

    def ask(properties, body):
        connection.send(outgoing, body, str(uuid.uuid4()), properties)
        connection.until(lambda: replies)
        return json.loads(text(replies.pop()))

    answer = ask({"iotdps-operation-type": "iotdps-register"}, json.dumps({"registrationId": told["registrationId"]}))
    while answer["status"] == "assigning":
        operation = {"iotdps-operation-type": "iotdps-get-operationstatus", "iotdps-operation-id": answer["operationId"]}
        answer = ask(operation, "{}")
    connection.close()
    return answer["registrationState"]


def at_hub(hub, device):
    connection, tokens = Connection(authentication.AMQPAuth(HOST, port=told["port"], verify=told["ca"])), []
    connection.link("$cbs", {}, tokens.append)
    resource = f"{hub}/devices/{device}"
    put = {"operation": "put-token", "type": "servicebus.windows.net:sastoken", "name": resource}
    connection.send(connection.link("$cbs", {}), sas(resource), properties=put, body_type=MessageBodyType.Value)
    connection.until(lambda: tokens)
    tell(token=tokens[0].application_properties[b"status-code"])

    heard, base = [], f"amqps://{resource}"
    version = {"com.microsoft:api-version": "2020-09-30", "com.microsoft:client-version": "iothubclient/1.12"}
    of = lambda channel: {**version, "com.microsoft:channel-correlation-id": f"{channel}:{uuid.uuid4()}"}
    twin, methods = of("twin"), of("methods")
    telemetry = connection.link(f"{base}/messages/events", version)
    messages = connection.link(f"{base}/messages/devicebound", version, lambda message: tell(message=text(message)))
    from_twin = connection.link(f"{base}/twin", twin, heard.append)
    to_twin = connection.link(f"{base}/twin", twin)
    answers = connection.link(f"{base}/methods/devicebound", methods)

    def called(message):
        name = message.application_properties[b"IoThub-methodname"].decode()
        tell(method=name, payload=json.loads(text(message)))
        connection.send(answers, json.dumps({"did": name}), message.properties.correlation_id, {"IoThub-status": types.AMQPInt(200)})

    calls = []
    connection.link(f"{base}/methods/devicebound", methods, calls.append)

    def ask_twin(operation, resource=None, body=" "):
        annotations = {types.AMQPSymbol("operation"): operation}
        if resource is not None:
            annotations[types.AMQPSymbol("resource")] = resource
        connection.send(to_twin, body, str(uuid.uuid4()), annotations=annotations)
        connection.until(lambda: heard)
        answer = heard.pop(0)
        return answer.annotations[b"status"], text(answer)

    connection.send(telemetry, "21 degrees", properties={"room": "north"})
    tell(reported=ask_twin("PATCH", "/properties/reported", json.dumps({"lamp": "off"}))[0])
    tell(twin=json.loads(ask_twin("GET")[1]))
    tell(subscribed=ask_twin("PUT", "/notifications/twin/properties/desired")[0])
    while True:
        connection.until(lambda: heard or calls)
        if heard:
            tell(desired=json.loads(text(heard.pop(0))))
        if calls:
            called(calls.pop(0))


state = register()
tell(registered=state)
at_hub(state["assignedHub"], state["deviceId"])
