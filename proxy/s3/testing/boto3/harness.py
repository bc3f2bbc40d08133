"""Runs every function named test_* of the modules named on the command line against S3_ENDPOINT, each with buckets of its own."""
import importlib
import itertools
import os
import sys
import time
import traceback

import boto3
from botocore import UNSIGNED
from botocore.client import Config
from botocore.exceptions import ClientError

endpoint = os.environ['S3_ENDPOINT']
_numbers = itertools.count(int(time.time() * 1000) % 100000000)


def client(key=None, secret=None, service='s3', **config):
    config.setdefault('retries', {'max_attempts': 0})
    config.setdefault('s3', {'addressing_style': 'path'})
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name='us-east-1',
        aws_access_key_id=key or os.environ['AWS_ACCESS_KEY_ID'],
        aws_secret_access_key=secret or os.environ['AWS_SECRET_ACCESS_KEY'],
        config=Config(**config),
    )


main = client()
alt = client(os.environ['ALT_ACCESS_KEY'], os.environ['ALT_SECRET_KEY'])
anonymous = client(signature_version=UNSIGNED)
main_id = os.environ['MAIN_ID']
alt_id = os.environ['ALT_ID']


def new_bucket(by=main, **options):
    name = 'b3-%d' % next(_numbers)
    by.create_bucket(Bucket=name, **options)
    return name


def put(bucket, key, body=b'x', by=main, **options):
    return by.put_object(Bucket=bucket, Key=key, Body=body, **options)


def body(bucket, key, by=main, **options):
    return by.get_object(Bucket=bucket, Key=key, **options)['Body'].read()


def versioned(state='Enabled', **options):
    bucket = new_bucket(**options)
    set_versioning(bucket, state)
    return bucket


def set_versioning(bucket, state):
    main.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={'Status': state})


def fails(code, call, *args, status=None, **kwargs):
    """The call is refused with that code; returns the answer."""
    try:
        call(*args, **kwargs)
    except ClientError as error:
        found = error.response['Error']['Code']
        assert found == str(code), 'expected %s, got %s: %s' % (code, found, error)
        if status is not None:
            got = error.response['ResponseMetadata']['HTTPStatusCode']
            assert got == status, 'expected status %s, got %s' % (status, got)
        return error.response
    raise AssertionError('expected %s, and it went through' % code)


def same(got, wanted):
    assert got == wanted, '\n got    %r\n wanted %r' % (got, wanted)


def run(names):
    failed = 0
    count = 0
    for name in names:
        module = importlib.import_module(name)
        for attribute in sorted(dir(module)):
            if not attribute.startswith('test_') or (only and only not in attribute):
                continue
            count += 1
            try:
                getattr(module, attribute)()
            except Exception:
                failed += 1
                print('FAILED %s.%s\n%s' % (name, attribute, traceback.format_exc(limit=-3)))
    print('%d of %d passed' % (count - failed, count))
    return 1 if failed or not count else 0


only = os.environ.get('ONLY')
if __name__ == '__main__':
    import harness

    sys.exit(harness.run(sys.argv[1:]))
