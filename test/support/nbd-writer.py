#!/usr/bin/python3
"""Writes numbered blocks to an NBD export and remembers what was flushed; later checks that nothing flushed is lost.

  nbd-writer.py write URI BLOCKS STATE SEED   writes until the connection breaks; STATE lists flushed and attempted generations
  nbd-writer.py check URI BLOCKS STATE        every block holds a generation between the flushed and the last attempted one

A block is 4,096 bytes: block number, generation, and a pattern derived from both, so mixtures show.
"""
import nbd, os, random, struct, sys, zlib

BLOCK = 4096

def content(block, generation):
    if generation == 0:
        return bytes(BLOCK)
    head = struct.pack('<QQ', block, generation)
    return head + (zlib.crc32(head).to_bytes(4, 'little') * ((BLOCK - 16) // 4))

def load(path):
    flushed, attempted = {}, {}
    if os.path.exists(path):
        for line in open(path):
            kind, block, generation = line.split()
            (flushed if kind == 'F' else attempted)[int(block)] = int(generation)
    return flushed, attempted

def write(uri, blocks, path, seed):
    flushed, attempted = load(path)
    choose = random.Random(seed)
    state = open(path, 'a', buffering=1)
    h = nbd.NBD(); h.connect_uri(uri)
    generation = max(attempted.values(), default=0)
    print('connected', flush=True)
    try:
        while True:
            batch = [choose.randrange(blocks) for _ in range(choose.randrange(1, 33))]
            written, todo = {}, []
            for block in batch:
                generation += 1
                # What might be on disk must be known before it is sent.
                state.write(f'A {block} {generation}\n')
                written[block] = generation
                fua = choose.randrange(16) == 0
                todo.append((block, generation, fua))
            for block, generation_, fua in todo:
                h.pwrite(content(block, generation_), block * BLOCK, nbd.CMD_FLAG_FUA if fua else 0)
                if fua:
                    state.write(f'F {block} {generation_}\n')
            if choose.randrange(3) == 0:
                h.flush()
                for block, generation_ in written.items():
                    state.write(f'F {block} {generation_}\n')
    except nbd.Error:
        pass

def check(uri, blocks, path):
    flushed, attempted = load(path)
    h = nbd.NBD(); h.connect_uri(uri)
    bad = 0
    for block in range(blocks):
        data = bytes(h.pread(BLOCK, block * BLOCK))
        number, generation = struct.unpack('<QQ', data[:16])
        low, high = flushed.get(block, 0), attempted.get(block, 0)
        if data != content(block, generation) or not low <= generation <= high or (generation and number != block):
            bad += 1
            print(f'block {block}: holds generation {generation} of block {number}, expected {low}..{high}')
    h.shutdown()
    print(f'checked {blocks} blocks, {len(flushed)} with a flushed generation, {bad} wrong')
    sys.exit(1 if bad else 0)

if sys.argv[1] == 'write':
    write(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
else:
    check(sys.argv[2], int(sys.argv[3]), sys.argv[4])
