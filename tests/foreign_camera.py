"""A camera that is no part of FogFleet: standard library, `mosquitto_pub` and `mosquitto_sub`, and docs/protocol.md.

Usage: foreign_camera.py HOST PORT RUN NODE INDEX GATEWAY PERIOD_S. It is always sure of class 1.
"""

import struct
import subprocess
import sys
import time
import zlib
from threading import Thread

HOST, PORT, RUN, NODE, INDEX, GATEWAY, PERIOD = sys.argv[1:]
BROKER = ["-h", HOST, "-p", PORT, "-q", "1"]
MINE, STATUS = f"fogfleet/{RUN}/site-0/{NODE}", f"fogfleet/{RUN}/site-0/{NODE}/status"
CONTROL, REQUEST = f"fogfleet/{RUN}/fleet/conductor/control", f"fogfleet/{RUN}/site-0/{GATEWAY}/request"
SCORES, REQUESTS, FEATURES = 1, 2, 3
sequence = 0


def publish(topic: str, message: bytes, *options: str) -> None:
    content = "-s" if message else "-n"
    subprocess.run(["mosquitto_pub", *BROKER, "-t", topic, content, *options], input=message, check=True)


def frame(kind: int, dtype: int, sample: int, payload: bytes) -> bytes:
    global sequence
    sequence += 1
    body = struct.pack("<BBBBHHIII", 1, kind, dtype, 0, int(INDEX), 1, sample, sequence, len(payload))
    return body + struct.pack("<I", zlib.crc32(body + payload)) + payload


def parse(message: bytes) -> tuple[int, int, bytes]:
    """Kind, sample and payload of a frame whose length and CRC are right."""
    version, kind, _, _, _, _, sample, _, length, crc = struct.unpack_from("<BBBBHHIIII", message)
    assert (version, length, crc) == (1, len(message) - 24, zlib.crc32(message[:20] + message[24:]))
    return kind, sample, message[24:]


def capture(samples: int, epoch: float, speed: float) -> None:
    """One sample a period: scores (0, 9, 0), float32."""
    for sample in range(samples):
        time.sleep(max(0.0, epoch + sample * float(PERIOD) / speed - time.time()))
        publish(f"{MINE}/scores", frame(SCORES, 1, sample, struct.pack("<3f", 0, 9, 0)))


will = ["--will-topic", STATUS, "--will-payload", "offline", "--will-qos", "1", "--will-retain"]
listen = ["mosquitto_sub", *BROKER, "-t", CONTROL, "-t", REQUEST, "-F", "%t %x", *will]
with subprocess.Popen(listen, stdout=subprocess.PIPE, text=True) as listener:
    publish(STATUS, b"online", "-r")
    for line in listener.stdout or ():
        topic, _, text = line.strip().partition(" ")
        if not text:
            continue
        kind, sample, payload = parse(bytes.fromhex(text))
        if topic == CONTROL:
            command, _, samples, epoch, speed = struct.unpack("<HHIdd", payload)
            if command == 2:
                break
            Thread(target=capture, args=(samples, epoch, speed), daemon=True).start()
        elif kind == REQUESTS and int(INDEX) in struct.unpack(f"<{len(payload) // 2}H", payload):
            publish(f"{MINE}/features", frame(FEATURES, 2, sample, b"\x55" * 128))
    publish(STATUS, b"", "-r")
    listener.terminate()
    try:
        listener.wait(5)
    except subprocess.TimeoutExpired:  # one of a hundred SIGTERMs makes mosquitto_sub 2.0 hang for ever
        listener.kill()
