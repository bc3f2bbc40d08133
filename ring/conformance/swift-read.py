"""Reads a ring file with the real swift.common.ring.Ring: {"file", "partitions"} on stdin, what it sees on stdout."""
import json
import sys

from swift.common import utils

utils.HASH_PATH_SUFFIX = b'conformance'

from swift.common.ring import Ring  # noqa: E402  (the suffix must be set before)


def main():
    command = json.load(sys.stdin)
    ring = Ring(command['file'])
    seen = [{'partition': part,
             'primaries': [dev['id'] for dev in ring.get_part_nodes(part)],
             'handoffs': [dev['id'] for dev in ring.get_more_nodes(part)]}
            for part in command['partitions']]
    devices = [dev and {'id': dev['id'], 'weight': dev['weight'], 'ip': dev['ip'], 'meta': dev['meta'],
                        'replication_port': dev['replication_port']} for dev in ring.devs]
    json.dump({'replicas': ring.replica_count, 'part_power': ring.part_power, 'version': ring.version,
               'devices': devices, 'seen': seen}, sys.stdout)


main()
