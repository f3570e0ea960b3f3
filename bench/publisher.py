"""A publisher that costs next to nothing: its MQTT 5 packets are made beforehand, so
that what is measured is the broker and who reads from it, not Python."""

import socket

WINDOW = 20  # what the broker lets one client have unacknowledged, if nothing else is set


def _number(n):
    """A variable byte integer (MQTT 5.0, 1.5.5)."""
    out = bytearray()
    while True:
        n, low = divmod(n, 128)
        out.append(low | (0x80 if n else 0))
        if not n:
            return bytes(out)


def _text(text):
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def packet(n, topic, payload, **user_properties):
    """A PUBLISH of QoS 1 (3.3). n: its place among all; packet ids are 1 to 65535."""
    properties = b"".join(b"\x26" + _text(k) + _text(v) for k, v in user_properties.items())
    body = (_text(topic) + (n % 65535 + 1).to_bytes(2, "big") + _number(len(properties))
            + properties + payload)
    return b"\x32" + _number(len(body)) + body


def _read(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        assert more, "the broker closed the connection"
        data += more
    return data


def _acknowledged(data):
    """How many whole PUBACKs (3.4; 4 to 6 bytes from mosquitto), and what is behind them."""
    count = 0
    while len(data) >= 2 and len(data) >= 2 + data[1]:
        assert data[0] == 0x40 and data[1] < 128, data[:8]
        data = data[2 + data[1]:]
        count += 1
    return count, data


def publish_all(port, packets):
    """Sends all, and returns when the broker has acknowledged the last one."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connect = _text("MQTT") + b"\x05\x02\x00\x3c\x00" + _text("")
        sock.sendall(b"\x10" + _number(len(connect)) + connect)
        assert _read(sock, 1) == b"\x20"
        answer = _read(sock, _read(sock, 1)[0])
        assert answer[1] == 0, f"refused: {answer[1]}"
        sock.sendall(b"".join(packets[:WINDOW]))
        sent, done, rest = min(WINDOW, len(packets)), 0, b""
        while done < len(packets):
            data = sock.recv(65536)
            assert data, "the broker closed the connection"
            count, rest = _acknowledged(rest + data)
            done += count
            sock.sendall(b"".join(packets[sent:sent + count]))
            sent += len(packets[sent:sent + count])
