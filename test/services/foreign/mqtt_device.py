"""A device on paho-mqtt, of which Azure's SDK for Python is made; topics and payloads as that writes them."""
import json
import queue
import ssl
import urllib.parse
import uuid

import paho.mqtt.client as mqtt

from device import sas, tell, told

PATIENCE = 20


class Connection:
    def __init__(self, name, user, password):
        self.heard, self.done = queue.Queue(), queue.Queue()
        transport = "websockets" if told["webSocket"] else "tcp"
        self.client = mqtt.Client(client_id=name, clean_session=False, protocol=mqtt.MQTTv311, transport=transport)
        if told["webSocket"]:
            self.client.ws_set_options(path="/$iothub/websocket")
        context = ssl.create_default_context(cafile=told["ca"])
        if "certificate" in told:
            context.load_cert_chain(told["certificate"], told["privateKey"])
        self.client.tls_set_context(context)
        self.client.username_pw_set(user, password)
        self.client.on_connect = lambda client, data, flags, code: self.done.put(code)
        self.client.on_subscribe = lambda client, data, mid, granted: self.done.put(granted)
        self.client.on_message = lambda client, data, message: self.heard.put((message.topic, message.payload.decode()))
        self.client.connect("localhost", told["port"])
        self.client.loop_start()
        code = self.done.get(timeout=PATIENCE)
        if code != 0:
            raise ConnectionRefusedError(code)

    def subscribe(self, topic):
        self.client.subscribe(topic, qos=1)
        return self.done.get(timeout=PATIENCE)

    def publish(self, topic, payload):
        self.client.publish(topic, payload, qos=1).wait_for_publish()

    def next(self):
        return self.heard.get(timeout=PATIENCE)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def password(resource, policy=None):
    return sas(resource, policy) if "key" in told else None


def register():
    name = f"{told['idScope']}/registrations/{told['registrationId']}"
    agent = urllib.parse.quote("azure-iot-device-provisioning-py/2.12.0", safe="")
    user = f"{name}/api-version=2019-03-31&ClientVersion={agent}"
    connection = Connection(told["registrationId"], user, password(name, "registration"))
    connection.subscribe("$dps/registrations/res/#")
    asked = json.dumps({"registrationId": told["registrationId"]})
    connection.publish(f"$dps/registrations/PUT/iotdps-register/?$rid={uuid.uuid4()}", asked)
    answer = json.loads(connection.next()[1])
    while answer["status"] == "assigning":
        operation = f"$rid={uuid.uuid4()}&operationId={answer['operationId']}"
        connection.publish(f"$dps/registrations/GET/iotdps-get-operationstatus/?{operation}", " ")
        answer = json.loads(connection.next()[1])
    connection.close()
    return answer["registrationState"]


def at_hub(hub, device):
    agent = urllib.parse.quote("azure-iot-device-iothub-py/2.12.0", safe="")
    resource = f"{hub}/devices/{device}"
    user = f"{hub}/{device}/?api-version=2019-10-01&DeviceClientType={agent}"
    connection = Connection(device, user, password(resource))
    inbox = f"devices/{device}/messages/devicebound/"
    desired = "$iothub/twin/PATCH/properties/desired/"
    filters = [f"{inbox}#", "$iothub/methods/POST/#", "$iothub/twin/res/#", f"{desired}#"]
    tell(subscribed=[connection.subscribe(topic)[0] for topic in filters])
    properties = urllib.parse.urlencode({"$.ct": "text/plain", "room": "north"})
    connection.publish(f"devices/{device}/messages/events/{properties}", "21 degrees")
    connection.publish(f"$iothub/twin/PATCH/properties/reported/?$rid={uuid.uuid4()}", json.dumps({"lamp": "off"}))
    tell(reported=int(connection.next()[0].split("/")[3]))
    connection.publish(f"$iothub/twin/GET/?$rid={uuid.uuid4()}", " ")
    tell(twin=json.loads(connection.next()[1]))
    while True:
        topic, payload = connection.next()
        if topic.startswith(inbox):
            tell(message=payload)
        elif topic.startswith(desired):
            tell(desired=json.loads(payload))
        else:
            _, _, _, name, query = topic.split("/")
            tell(method=name, payload=json.loads(payload))
            connection.publish(f"$iothub/methods/res/200/{query}", json.dumps({"did": name}))


state = register()
tell(registered=state)
at_hub(state["assignedHub"], state["deviceId"])
