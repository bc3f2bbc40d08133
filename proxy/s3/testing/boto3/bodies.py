"""Bodies as they were sent: every way a body can come, at sizes around every bound inside, many at once, so that memory that is let go or used
again before its time would show as other bytes."""
import base64
import hashlib
import os
import random
import zlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import *

sizes = [0, 1, 4095, 4096, 16_384, 16_385, 65_536, 65_537, 300_001, 1_048_576, 2_500_003]
noise = random.Random(11)
customer = {'SSECustomerAlgorithm': 'AES256', 'SSECustomerKey': b'k' * 32}
source = {'CopySourceSSECustomerAlgorithm': 'AES256', 'CopySourceSSECustomerKey': b'k' * 32}
kinds = {
    'plain': {},
    'sse-s3': {'ServerSideEncryption': 'AES256'},
    'sse-kms': {'ServerSideEncryption': 'aws:kms'},
    'sse-c': customer,
}
unsigned = client(s3={'addressing_style': 'path', 'payload_signing_enabled': False})
sse_headers = {
    'plain': {},
    'sse-s3': {'x-amz-server-side-encryption': 'AES256'},
    'sse-kms': {'x-amz-server-side-encryption': 'aws:kms'},
    'sse-c': {
        'x-amz-server-side-encryption-customer-algorithm': 'AES256',
        'x-amz-server-side-encryption-customer-key': base64.b64encode(b'k' * 32).decode(),
        'x-amz-server-side-encryption-customer-key-MD5': base64.b64encode(hashlib.md5(b'k' * 32).digest()).decode(),
    },
}


class ChunkedAuth(S3SigV4Auth):
    def payload(self, request):
        return 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'


def put_chunked(bucket, key, data, kind):
    """As SDKs send a stream over TLS: chunks of odd sizes, and a checksum behind them."""
    headers = {
        'x-amz-decoded-content-length': str(len(data)),
        'x-amz-trailer': 'x-amz-checksum-crc32',
        'content-encoding': 'aws-chunked',
        **sse_headers[kind],
    }
    request = AWSRequest('PUT', '%s/%s/%s' % (endpoint, bucket, quote(key)), headers=headers)
    keys = Credentials(os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY'])
    ChunkedAuth(keys, 's3', 'us-east-1').add_auth(request)
    wire = b''
    for at in range(0, len(data), 77_777):
        piece = data[at:at + 77_777]
        wire += b'%x\r\n%s\r\n' % (len(piece), piece)
    crc = base64.b64encode(zlib.crc32(data).to_bytes(4, 'big'))
    wire += b'0\r\nx-amz-checksum-crc32:' + crc + b'\r\n\r\n'
    answer = requests.put(request.url, data=wire, headers=dict(request.headers))
    same((answer.status_code, answer.text), (200, ''))


def of(size):
    return noise.randbytes(size)


def same_body(got, sent, what):
    assert hashlib.sha256(got).digest() == hashlib.sha256(sent).digest() and len(got) == len(sent), \
        '%s: %d bytes came back for %d' % (what, len(got), len(sent))


def all_at_once(work, jobs):
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, *job) for job in jobs]:
            done.result()


def test_put_by_every_framing_and_key():
    bucket = new_bucket()
    by = {'signed': main, 'unsigned': unsigned, 'chunked': None}

    def put_and_get(way, kind, data):
        key = '%s %s %d' % (way, kind, len(data))
        if way == 'chunked':
            put_chunked(bucket, key, data, kind)
        else:
            by[way].put_object(Bucket=bucket, Key=key, Body=data, **kinds[kind])
        keys = customer if kind == 'sse-c' else {}
        got = main.get_object(Bucket=bucket, Key=key, **keys)
        same_body(got['Body'].read(), data, key)
        if len(data) > 10:
            cut = main.get_object(Bucket=bucket, Key=key, Range='bytes=%d-' % (len(data) // 3), **keys)
            same_body(cut['Body'].read(), data[len(data) // 3:], key)
        if kind in ('plain', 'sse-s3'):
            same(got['ETag'].strip('"'), hashlib.md5(data).hexdigest())

    all_at_once(put_and_get, [(way, kind, of(size)) for size in sizes for way in by for kind in kinds])


def test_forms_of_every_key():
    bucket = new_bucket()
    def post(kind, data):
        key = 'form %s %d' % (kind, len(data))
        fields = sse_headers[kind]
        form = main.generate_presigned_post(bucket, key, dict(fields), [{n: v} for n, v in fields.items()])
        answer = requests.post(form['url'], data=form['fields'], files={'file': ('f', data)})
        same((answer.status_code, answer.text), (204, ''))
        keys = customer if kind == 'sse-c' else {}
        same_body(main.get_object(Bucket=bucket, Key=key, **keys)['Body'].read(), data, key)

    all_at_once(post, [(kind, of(size)) for size in sizes for kind in sse_headers])


def test_parts_and_copies_of_every_key():
    bucket = new_bucket()
    parts = [of(5_242_880), of(5_300_001), of(17)]
    whole = b''.join(parts)

    def assemble(kind):
        keys = customer if kind == 'sse-c' else {}
        put(bucket, 'part of ' + kind, parts[1], **kinds[kind])
        upload = main.create_multipart_upload(Bucket=bucket, Key=kind, **kinds[kind])['UploadId']
        at = {'Bucket': bucket, 'Key': kind, 'UploadId': upload}
        tags = {}
        for number in (3, 1):
            tags[number] = main.upload_part(PartNumber=number, Body=parts[number - 1], **at, **keys)['ETag']
        copied = main.upload_part_copy(
            PartNumber=2, CopySource={'Bucket': bucket, 'Key': 'part of ' + kind}, **at, **keys,
            **(source if kind == 'sse-c' else {}))
        tags[2] = copied['CopyPartResult']['ETag']
        listed = [{'PartNumber': n, 'ETag': tags[n]} for n in (1, 2, 3)]
        main.complete_multipart_upload(MultipartUpload={'Parts': listed}, **at)
        same_body(main.get_object(Bucket=bucket, Key=kind, **keys)['Body'].read(), whole, kind)
        for target in kinds:
            copy = {'Bucket': bucket, 'Key': '%s to %s' % (kind, target), 'CopySource': {'Bucket': bucket, 'Key': kind}}
            main.copy_object(**copy, **kinds[target], **(source if kind == 'sse-c' else {}))
            got = main.get_object(Bucket=bucket, Key=copy['Key'], **(customer if target == 'sse-c' else {}))
            same_body(got['Body'].read(), whole, copy['Key'])

    all_at_once(assemble, [(kind,) for kind in kinds])


def test_documents_of_many_chunks():
    bucket = new_bucket()
    # 1,000 long keys are about a megabyte of XML: many reads of a socket, looked at together.
    keys = ['%04d' % n + 'k' * 900 for n in range(1000)]
    for key in keys[::100]:
        put(bucket, key)
    answer = main.delete_objects(Bucket=bucket, Delete={'Objects': [{'Key': k} for k in keys]})
    same(sorted(d['Key'] for d in answer['Deleted']), keys)
    same(main.list_objects_v2(Bucket=bucket)['KeyCount'], 0)
