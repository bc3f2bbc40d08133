"""Object lock."""
from datetime import datetime, timedelta, timezone

from harness import *


def soon(**delta):
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(**(delta or {'days': 1}))


def locked():
    return new_bucket(ObjectLockEnabledForBucket=True)


def rule(mode='GOVERNANCE', **period):
    return {'ObjectLockEnabled': 'Enabled', 'Rule': {'DefaultRetention': {'Mode': mode, **period}}}


def set_rule(bucket, configuration):
    main.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)


def test_bucket_made_with_lock_keeps_versions():
    bucket = locked()
    same(main.get_bucket_versioning(Bucket=bucket)['Status'], 'Enabled')
    same(main.get_object_lock_configuration(Bucket=bucket)['ObjectLockConfiguration'], {'ObjectLockEnabled': 'Enabled'})
    fails('InvalidBucketState', set_versioning, bucket, 'Suspended', status=409)


def test_configuration_is_checked():
    bucket = locked()
    set_rule(bucket, rule(Days=1))
    same(main.get_object_lock_configuration(Bucket=bucket)['ObjectLockConfiguration'], rule(Days=1))
    set_rule(bucket, rule('COMPLIANCE', Years=1))
    fails('MalformedXML', set_rule, bucket, rule(Days=1, Years=1))
    fails('InvalidRetentionPeriod', set_rule, bucket, rule(Days=0))
    fails('InvalidRetentionPeriod', set_rule, bucket, rule(Years=-1))
    fails('MalformedXML', set_rule, bucket, rule('abc', Years=1))
    fails('MalformedXML', set_rule, bucket, {'ObjectLockEnabled': 'Disabled'})


def test_bucket_without_lock():
    bucket = new_bucket()
    put(bucket, 'o')
    fails('InvalidBucketState', set_rule, bucket, rule(Days=1), status=409)
    fails('ObjectLockConfigurationNotFoundError', main.get_object_lock_configuration, Bucket=bucket)
    retention = {'Mode': 'GOVERNANCE', 'RetainUntilDate': soon()}
    fails('InvalidRequest', main.put_object_retention, Bucket=bucket, Key='o', Retention=retention)
    fails('InvalidRequest', main.get_object_retention, Bucket=bucket, Key='o')
    fails('InvalidRequest', main.put_object_legal_hold, Bucket=bucket, Key='o', LegalHold={'Status': 'ON'})
    fails('InvalidRequest', main.get_object_legal_hold, Bucket=bucket, Key='o')
    set_versioning(bucket, 'Enabled')
    set_rule(bucket, rule(Days=1))


def test_retention_governance():
    bucket = locked()
    version = put(bucket, 'o')['VersionId']
    retention = {'Mode': 'GOVERNANCE', 'RetainUntilDate': soon()}
    main.put_object_retention(Bucket=bucket, Key='o', Retention=retention)
    same(main.get_object_retention(Bucket=bucket, Key='o')['Retention'], retention)
    head = main.head_object(Bucket=bucket, Key='o')
    same((head['ObjectLockMode'], head['ObjectLockRetainUntilDate']), ('GOVERNANCE', retention['RetainUntilDate']))
    fails('AccessDenied', main.delete_object, Bucket=bucket, Key='o', VersionId=version)
    longer = {**retention, 'RetainUntilDate': soon(days=2)}
    main.put_object_retention(Bucket=bucket, Key='o', Retention=longer)
    fails('AccessDenied', main.put_object_retention, Bucket=bucket, Key='o', Retention=retention)
    main.put_object_retention(Bucket=bucket, Key='o', Retention=retention, BypassGovernanceRetention=True)
    main.delete_object(Bucket=bucket, Key='o', VersionId=version, BypassGovernanceRetention=True)


def test_retention_compliance():
    bucket = locked()
    until = soon(seconds=3)
    version = put(bucket, 'o', ObjectLockMode='COMPLIANCE', ObjectLockRetainUntilDate=until)['VersionId']
    for bypass in (False, True):
        fails('AccessDenied', main.delete_object, Bucket=bucket, Key='o', VersionId=version, BypassGovernanceRetention=bypass)
    weaker = {'Mode': 'GOVERNANCE', 'RetainUntilDate': soon()}
    fails('AccessDenied', main.put_object_retention, Bucket=bucket, Key='o', Retention=weaker, BypassGovernanceRetention=True)
    assert main.delete_object(Bucket=bucket, Key='o')['DeleteMarker']
    time.sleep(max(0, (until - datetime.now(timezone.utc)).total_seconds()) + 0.2)
    main.delete_object(Bucket=bucket, Key='o', VersionId=version)


def test_retention_is_checked():
    bucket = locked()
    put(bucket, 'o')
    past = {'Mode': 'GOVERNANCE', 'RetainUntilDate': soon(days=-1)}
    fails('InvalidArgument', main.put_object_retention, Bucket=bucket, Key='o', Retention=past)
    odd = {'Mode': 'governance', 'RetainUntilDate': soon()}
    fails('MalformedXML', main.put_object_retention, Bucket=bucket, Key='o', Retention=odd)
    fails('NoSuchObjectLockConfiguration', main.get_object_retention, Bucket=bucket, Key='o')
    fails('InvalidArgument', put, bucket, 'p', ObjectLockMode='GOVERNANCE')


def test_legal_hold():
    bucket = locked()
    version = put(bucket, 'o')['VersionId']
    fails('NoSuchObjectLockConfiguration', main.get_object_legal_hold, Bucket=bucket, Key='o')
    main.put_object_legal_hold(Bucket=bucket, Key='o', LegalHold={'Status': 'ON'})
    same(main.get_object_legal_hold(Bucket=bucket, Key='o')['LegalHold'], {'Status': 'ON'})
    fails('AccessDenied', main.delete_object, Bucket=bucket, Key='o', VersionId=version, BypassGovernanceRetention=True)
    fails('MalformedXML', main.put_object_legal_hold, Bucket=bucket, Key='o', LegalHold={'Status': 'abc'})
    main.put_object_legal_hold(Bucket=bucket, Key='o', LegalHold={'Status': 'OFF'})
    main.delete_object(Bucket=bucket, Key='o', VersionId=version)


def test_default_retention_is_taken():
    bucket = locked()
    set_rule(bucket, rule(Days=1))
    version = put(bucket, 'o')['VersionId']
    same(main.head_object(Bucket=bucket, Key='o')['ObjectLockMode'], 'GOVERNANCE')
    fails('AccessDenied', main.delete_object, Bucket=bucket, Key='o', VersionId=version)
    gone = main.delete_objects(Bucket=bucket, Delete={'Objects': [{'Key': 'o', 'VersionId': version}]})
    same([e['Code'] for e in gone['Errors']], ['AccessDenied'])
    main.delete_objects(
        Bucket=bucket, BypassGovernanceRetention=True, Delete={'Objects': [{'Key': 'o', 'VersionId': version}]})


def test_upload_in_parts_is_locked():
    bucket = locked()
    upload = main.create_multipart_upload(
        Bucket=bucket, Key='m', ObjectLockMode='GOVERNANCE', ObjectLockRetainUntilDate=soon(), ObjectLockLegalHoldStatus='ON')
    at = {'Bucket': bucket, 'Key': 'm', 'UploadId': upload['UploadId']}
    part = main.upload_part(PartNumber=1, Body=b'x', **at)
    done = main.complete_multipart_upload(MultipartUpload={'Parts': [{'PartNumber': 1, 'ETag': part['ETag']}]}, **at)
    head = main.head_object(Bucket=bucket, Key='m')
    same((head['ObjectLockMode'], head['ObjectLockLegalHoldStatus']), ('GOVERNANCE', 'ON'))
    fails('AccessDenied', main.delete_object, Bucket=bucket, Key='m', VersionId=done['VersionId'])
