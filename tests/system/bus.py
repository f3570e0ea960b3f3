"""An MQTT 5 client that remembers every message, and waits for one by event."""

import json
import socket
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

LIMIT_S = 60


class Message:
    def __init__(self, raw):
        self.topic = raw.topic
        self.payload = raw.payload
        self.retain = raw.retain
        self.properties = dict(getattr(raw.properties, "UserProperty", []))

    @property
    def json(self):
        return json.loads(self.payload)

    def __repr__(self):
        return f"<{self.topic} {self.payload[:200]!r}>"


class Bus:
    """Subscribes to everything, so that a test also sees what it did not expect."""

    def __init__(self, port, client_id="", filters=("#",)):
        self.messages = []
        self._news = threading.Condition()
        self._ready = False
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5
        )
        self.client.max_inflight_messages_set(100)
        self.client.on_socket_open = lambda _c, _u, sock: sock.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.on_connect = lambda c, *_: c.subscribe(
            [(f, SubscribeOptions(qos=1, retainAsPublished=True)) for f in filters]
        )
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        with self._news:
            assert self._news.wait_for(lambda: self._ready, LIMIT_S), "no broker"

    def _on_subscribe(self, *_):
        with self._news:
            self._ready = True
            self._news.notify_all()

    def _on_message(self, _client, _userdata, raw):
        with self._news:
            self.messages.append(Message(raw))
            self._news.notify_all()

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def publish(self, topic, payload, retain=False, **user_properties):
        properties = Properties(PacketTypes.PUBLISH)
        if user_properties:
            properties.UserProperty = list(user_properties.items())
        if isinstance(payload, (dict, list)):
            payload = json.dumps(payload)
        self.client.publish(topic, payload, qos=1, retain=retain, properties=properties)

    def find(self, filter, where=lambda m: True, after=0):
        """Messages of a topic, or of a filter. Called for each message that comes while
        somebody waits, so a plain topic is compared and no more."""
        plain = "+" not in filter and "#" not in filter
        return [
            m
            for m in self.messages[after:]
            if (m.topic == filter if plain else mqtt.topic_matches_sub(filter, m.topic))
            and m.payload and where(m)
        ]

    def wait(self, filter, where=lambda m: True, count=1, limit_s=LIMIT_S, after=0):
        """The first `count` messages that match; the last of them if count is 1."""
        found = []

        def enough():
            found[:] = self.find(filter, where, after)
            return len(found) >= count

        with self._news:
            if not self._news.wait_for(enough, limit_s):
                recent = "\n".join(map(repr, self.messages[-15:]))
                raise AssertionError(
                    f"{len(found)} of {count} on {filter} within {limit_s} s; latest:\n{recent}"
                )
        return found[0] if count == 1 else found[:count]

    def mark(self):
        with self._news:
            return len(self.messages)

    def request(self, topic, payload, limit_s=LIMIT_S):
        """Asks with a Response Topic and gives the answer's JSON.

        A program that has not subscribed yet never sees a question, so it is asked
        again every two seconds until it answers.
        """
        properties = Properties(PacketTypes.PUBLISH)
        answer = f"test/answer/{time.monotonic_ns()}"
        properties.ResponseTopic = answer
        properties.CorrelationData = b"1"
        until = time.monotonic() + limit_s
        while True:
            self.client.publish(topic, json.dumps(payload), qos=1, properties=properties)
            try:
                return self.wait(answer, limit_s=2).json
            except AssertionError:
                if time.monotonic() > until:
                    raise
