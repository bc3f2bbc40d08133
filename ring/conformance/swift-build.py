"""Builds and measures rings with the real swift-ring-builder: one JSON command on stdin, one JSON answer out.

{"steps": [{"part_power", "replicas", "overload", "devices": [...]}, ...], "seed", "ring": PATH or null}

The steps are applied to one builder in order; each answer tells moved replicas, balance, dispersion and the CPU
seconds of its rebalance. Every step's ring is written to "ring" with the step's number in front of its name.
"""
import json
import os
import sys
import time
from array import array

from swift.common.ring import RingBuilder


def apply(builder, step):
    wanted = {dev['id']: dev for dev in step['devices']}
    present = {dev['id'] for dev in builder.devs if dev is not None}
    for dev_id in sorted(present - set(wanted)):
        builder.remove_dev(dev_id)
    for dev_id, dev in sorted(wanted.items()):
        if dev_id not in present:
            builder.add_dev(dict(dev, replication_ip=dev['ip'], replication_port=dev['port']))
        elif builder.devs[dev_id]['weight'] != dev['weight']:
            builder.set_dev_weight(dev_id, float(dev['weight']))
    builder.set_replicas(step['replicas'])
    builder.set_overload(step['overload'])


def main():
    command = json.load(sys.stdin)
    first = command['steps'][0]
    builder = RingBuilder(first['part_power'], first['replicas'], 0)
    answers = []
    for number, step in enumerate(command['steps']):
        apply(builder, step)
        before = [array('H', row) for row in builder._replica2part2dev or []]
        start = time.process_time()
        builder.pretend_min_part_hours_passed()
        changed, balance, _removed = builder.rebalance(seed=command['seed'])
        cpu = time.process_time() - start
        builder.validate()
        moved = 0
        for index, row in enumerate(builder._replica2part2dev):
            old = before[index] if index < len(before) else []
            moved += sum(1 for part, dev in enumerate(row) if part >= len(old) or old[part] != dev)
        answers.append({'moved': moved, 'changed': changed, 'balance': balance,
                        'dispersion': builder.dispersion, 'cpu': cpu})
        if command.get('ring'):
            folder, name = os.path.split(command['ring'])
            builder.get_ring().save(os.path.join(folder, '%d-%s' % (number, name)))
    json.dump(answers, sys.stdout)


main()
