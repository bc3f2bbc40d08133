"""Versioning, as the S3 reference tells it."""
from harness import *


def listed(bucket, **options):
    answer = main.list_object_versions(Bucket=bucket, **options)
    lines = [(v['Key'], v['VersionId'], v['IsLatest'], 'v', v['LastModified']) for v in answer.get('Versions', [])]
    lines += [(v['Key'], v['VersionId'], v['IsLatest'], 'm', v['LastModified']) for v in answer.get('DeleteMarkers', [])]
    return answer, lines


def test_state_is_absent_then_what_was_set():
    bucket = new_bucket()
    assert 'Status' not in main.get_bucket_versioning(Bucket=bucket)
    for state in ('Enabled', 'Suspended', 'Enabled'):
        set_versioning(bucket, state)
        same(main.get_bucket_versioning(Bucket=bucket)['Status'], state)
    fails('MalformedXML', set_versioning, bucket, 'Nonsense')


def test_versions_read_and_head_and_delete():
    bucket = versioned()
    ids = [put(bucket, 'o', b'%d' % n)['VersionId'] for n in range(5)]
    same(len(set(ids)), 5)
    for n, version in enumerate(ids):
        same(body(bucket, 'o', VersionId=version), b'%d' % n)
        same(main.head_object(Bucket=bucket, Key='o', VersionId=version)['VersionId'], version)
    answer, lines = listed(bucket)
    same([line[1] for line in lines], ids[::-1])
    same([line[2] for line in lines], [True] + [False] * 4)
    main.delete_object(Bucket=bucket, Key='o', VersionId=ids[4])
    same(body(bucket, 'o'), b'3')
    fails('NoSuchVersion', main.get_object, Bucket=bucket, Key='o', VersionId=ids[4], status=404)
    fails(404, main.head_object, Bucket=bucket, Key='o', VersionId=ids[4])


def test_marker_hides_and_removing_it_shows():
    bucket = versioned()
    version = put(bucket, 'o', b'first')['VersionId']
    gone = main.delete_object(Bucket=bucket, Key='o')
    assert gone['DeleteMarker'] and gone['VersionId'] != version
    answer = fails('NoSuchKey', main.get_object, Bucket=bucket, Key='o')
    headers = answer['ResponseMetadata']['HTTPHeaders']
    same((headers['x-amz-delete-marker'], headers['x-amz-version-id']), ('true', gone['VersionId']))
    fails('MethodNotAllowed', main.get_object, Bucket=bucket, Key='o', VersionId=gone['VersionId'], status=405)
    same(main.list_objects_v2(Bucket=bucket)['KeyCount'], 0)
    removed = main.delete_object(Bucket=bucket, Key='o', VersionId=gone['VersionId'])
    assert removed['DeleteMarker']
    same(body(bucket, 'o'), b'first')


def test_marker_for_what_never_was():
    bucket = versioned()
    gone = main.delete_object(Bucket=bucket, Key='never')
    assert gone['DeleteMarker']
    _, lines = listed(bucket)
    same([line[:4] for line in lines], [('never', gone['VersionId'], True, 'm')])


def test_null_version_of_before():
    bucket = new_bucket()
    put(bucket, 'o', b'before')
    set_versioning(bucket, 'Enabled')
    same(main.get_object(Bucket=bucket, Key='o')['VersionId'], 'null')
    put(bucket, 'o', b'after')
    same(body(bucket, 'o', VersionId='null'), b'before')
    main.delete_object(Bucket=bucket, Key='o', VersionId='null')
    fails('NoSuchVersion', main.get_object, Bucket=bucket, Key='o', VersionId='null')
    same(body(bucket, 'o'), b'after')


def test_suspended_replaces_null_only():
    bucket = versioned()
    kept = put(bucket, 'o', b'kept')['VersionId']
    set_versioning(bucket, 'Suspended')
    for text in (b'one', b'two'):
        assert put(bucket, 'o', text).get('VersionId', 'null') == 'null'
    _, lines = listed(bucket)
    same([line[1] for line in lines], ['null', kept])
    main.delete_object(Bucket=bucket, Key='o')
    _, lines = listed(bucket)
    same(sorted((line[1], line[3]) for line in lines), sorted([(kept, 'v'), ('null', 'm')]))


def test_listing_pages_and_markers():
    bucket = versioned()
    wanted = []
    for key in ('a', 'b/1', 'b/2', 'c'):
        ids = [put(bucket, key)['VersionId'] for _ in range(3)]
        wanted += [(key, version) for version in ids[::-1]]
    for size in (1, 2, 5, 100):
        pages = main.get_paginator('list_object_versions').paginate(Bucket=bucket, PaginationConfig={'PageSize': size})
        same([(v['Key'], v['VersionId']) for page in pages for v in page.get('Versions', [])], wanted)
    answer, lines = listed(bucket, Delimiter='/', Prefix='')
    same([p['Prefix'] for p in answer['CommonPrefixes']], ['b/'])
    same([line[0] for line in lines], ['a'] * 3 + ['c'] * 3)
    fails('InvalidArgument', main.list_object_versions, Bucket=bucket, VersionIdMarker=wanted[0][1])


def test_copy_of_a_version():
    bucket = versioned()
    first = put(bucket, 'o', b'first', Metadata={'a': 'b'})['VersionId']
    put(bucket, 'o', b'second')
    source = {'Bucket': bucket, 'Key': 'o', 'VersionId': first}
    made = main.copy_object(Bucket=bucket, Key='o', CopySource=source)
    same((made['CopySourceVersionId'], body(bucket, 'o')), (first, b'first'))
    same(main.head_object(Bucket=bucket, Key='o')['Metadata'], {'a': 'b'})


def test_multi_delete_of_versions_and_markers():
    bucket = versioned()
    ids = [put(bucket, 'o%d' % n)['VersionId'] for n in range(3)]
    gone = main.delete_objects(Bucket=bucket, Delete={'Objects': [{'Key': 'o%d' % n} for n in range(3)]})
    assert all(d['DeleteMarker'] and d['DeleteMarkerVersionId'] for d in gone['Deleted'])
    _, lines = listed(bucket)
    victims = [{'Key': key, 'VersionId': version} for key, version, *_ in lines]
    main.delete_objects(Bucket=bucket, Delete={'Objects': victims, 'Quiet': True})
    same(listed(bucket)[1], [])
    main.delete_bucket(Bucket=bucket)


def test_bucket_with_versions_does_not_go():
    bucket = versioned()
    version = put(bucket, 'o')['VersionId']
    marker = main.delete_object(Bucket=bucket, Key='o')['VersionId']
    fails('BucketNotEmpty', main.delete_bucket, Bucket=bucket)
    for each in (version, marker):
        main.delete_object(Bucket=bucket, Key='o', VersionId=each)
    main.delete_bucket(Bucket=bucket)


def test_multipart_makes_versions():
    bucket = versioned()
    ids = []
    for letter in (b'a', b'b'):
        upload = main.create_multipart_upload(Bucket=bucket, Key='m')['UploadId']
        part = main.upload_part(Bucket=bucket, Key='m', UploadId=upload, PartNumber=1, Body=letter * 5)
        parts = {'Parts': [{'PartNumber': 1, 'ETag': part['ETag']}]}
        done = main.complete_multipart_upload(Bucket=bucket, Key='m', UploadId=upload, MultipartUpload=parts)
        ids.append(done['VersionId'])
    same([body(bucket, 'm', VersionId=each) for each in ids], [b'aaaaa', b'bbbbb'])


def test_tags_and_acl_of_a_version():
    bucket = versioned()
    first = put(bucket, 'o')['VersionId']
    put(bucket, 'o')
    tags = [{'Key': 'k', 'Value': 'v'}]
    main.put_object_tagging(Bucket=bucket, Key='o', VersionId=first, Tagging={'TagSet': tags})
    same(main.get_object_tagging(Bucket=bucket, Key='o', VersionId=first)['TagSet'], tags)
    same(main.get_object_tagging(Bucket=bucket, Key='o')['TagSet'], [])
    main.put_object_acl(Bucket=bucket, Key='o', VersionId=first, ACL='public-read')
    same(body(bucket, 'o', by=anonymous, VersionId=first), b'x')
    fails('AccessDenied', anonymous.get_object, Bucket=bucket, Key='o')


def test_conditions_see_the_current_version_only():
    bucket = versioned()
    etag = put(bucket, 'o', b'one')['ETag']
    fails('PreconditionFailed', put, bucket, 'o', b'x', IfNoneMatch='*')
    put(bucket, 'o', b'two', IfMatch=etag)
    fails('PreconditionFailed', put, bucket, 'o', b'x', IfMatch=etag)
    main.delete_object(Bucket=bucket, Key='o')
    fails('NoSuchKey', put, bucket, 'o', b'x', IfMatch='*')
    put(bucket, 'o', b'three', IfNoneMatch='*')


def test_conditional_deletes():
    bucket = versioned()
    main.delete_object(Bucket=bucket, Key='o', IfMatch='bad')
    etag = put(bucket, 'o')['ETag']
    fails('PreconditionFailed', main.delete_object, Bucket=bucket, Key='o', IfMatch='bad')
    assert main.delete_object(Bucket=bucket, Key='o', IfMatch=etag)['DeleteMarker']
    fails('PreconditionFailed', main.delete_object, Bucket=bucket, Key='o', IfMatch='bad')
