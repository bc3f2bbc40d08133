"""Options of the `swift` client that the tests beside this do not use, by the client's own main function: one start for all of them."""
import contextlib
import io
import os
import re
import sys
import time
import urllib.request

from swiftclient import shell


def swift(*args):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            shell.main(['swift', *args])
        except SystemExit as end:
            assert end.code in (None, 0), (args, out.getvalue(), err.getvalue())
    return out.getvalue()


def told(pattern, *args):
    text = swift(*args)
    assert re.search(pattern, text), (args, pattern, text)
    return text


os.makedirs('opts/sub', exist_ok=True)
for name, text in (('a', 'first'), ('b', 'second'), ('sub/c', 'x' * 3000)):
    with open(f'opts/{name}', 'w') as file:
        file.write(text)

threads = ('--object-threads', '2')
swift('upload', 'opts', 'opts', '-m', 'Colour:red', '--segment-threads', '2', *threads)
swift('upload', 'opts', 'opts/a', '--skip-container-put', '--ignore-checksum')
told('Meta Colour: red', 'stat', 'opts', 'opts/b')

# Segments of what is replaced go, unless they are to be left.
for leave in ((), ('--leave-segments',)):
    for size in ('1000', '1500'):
        swift('upload', 'large', 'opts/sub/c', '--segment-size', size, '--use-slo', *leave)
    count = 2 if leave == () else 5
    assert len(swift('list', 'large_segments').splitlines()) == count
    swift('delete', 'large', 'opts/sub/c', *leave)
swift('delete', 'large_segments', '--container-threads', '2', *threads)
swift('delete', 'large')

listed = told(r'5 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ opts/a', 'list', 'opts', '--long')
assert len(swift('list', 'opts', '--long', '--totals').splitlines()) == 1
told(r'opts/sub/c', 'list', 'opts', '--prefix', 'opts/s', '-H', 'X-Newest: true')

swift('download', 'opts', '--prefix', 'opts/', '--remove-prefix', '--output-dir', 'got',
      '--marker', 'opts/a', '--no-shuffle', '--ignore-mtime', '--ignore-checksum', *threads)
assert sorted(os.listdir('got')) == ['b', 'sub'], os.listdir('got')
swift('download', 'opts', 'opts/b', '--output', 'got/b', '--skip-identical')
swift('download', '--all', '--output-dir', 'all', '--container-threads', '2', '-H', 'X-Newest: true')

swift('post', 'opts', '--read-acl', 'p:u', '--write-acl', 'p:w', '--meta', 'Size:small',
      '--sync-to', '//realm/here/AUTH_x/c', '--sync-key', 'secret')
shown = swift('stat', 'opts')
for line in ('Read ACL: p:u', 'Write ACL: p:w', 'Meta Size: small', 'Sync Key: secret',
             r'Sync To: //realm/here/AUTH_x/c'.upper().replace('AUTH_X/C', 'AUTH_x/c')):
    assert line.lower() in shown.lower(), (line, shown)

swift('copy', 'opts', 'opts/a', '--destination', '/opts/copy', '--fresh-metadata', '--meta', 'New:1',
      '-H', 'Content-Type: text/css')
shown = told('Content Type: text/css', 'stat', 'opts', 'copy')
assert 'Meta New: 1' in shown and 'Colour' not in shown, shown

swift('post', 'kept2', '-H', 'X-Versions-Enabled: true')
for name in ('a', 'b'):
    swift('upload', 'kept2', f'opts/{name}', '--object-name', 'v')
rows = swift('list', 'kept2', '--versions', '--long').splitlines()
old = re.search(r'[0-9a-f]{32}', rows[1])[0]
told('Content Length: 5', 'stat', 'kept2', 'v', '--version-id', old)
swift('delete', 'kept2', 'v', '--version-id', old)
assert old not in swift('list', 'kept2', '--versions', '--long')

told('"slo"', 'capabilities', '--json')
url = re.search(r'OS_STORAGE_URL=(\S+)', swift('auth'))[1]
path = '/v1/' + url.rstrip('/').rsplit('/', 1)[1]
swift('post', '-m', 'Temp-URL-Key:secret')
base = url[:url.index('/v1/')]
for more in (('--ip-range', '127.0.0.0/8'), ('--iso8601',), ('--digest', 'sha512')):
    signed = swift('tempurl', 'GET', '600', f'{path}/opts/opts/a', 'secret', *more).strip()
    assert urllib.request.urlopen(base + signed).read() == b'first', signed
until = str(int(time.time()) + 600)
signed = swift('tempurl', 'GET', until, f'{path}/opts/opts/a', 'secret', '--absolute').strip()
assert f'temp_url_expires={until}' in signed
assert urllib.request.urlopen(base + signed).read() == b'first'
for container in ('opts', 'kept2'):
    swift('delete', container, '--versions', *threads)
print('all as expected')
