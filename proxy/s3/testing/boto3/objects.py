"""Listing, reading, writing, copying, uploading: the daily part, at its edges."""
import hashlib
import http.client
import urllib.error
import urllib.request

from harness import *


def keys(bucket, *names):
    for name in names:
        put(bucket, name)


def listed(bucket, v2=False, **options):
    call = main.list_objects_v2 if v2 else main.list_objects
    answer = call(Bucket=bucket, **options)
    found = [c['Key'] for c in answer.get('Contents', [])]
    return found, [p['Prefix'] for p in answer.get('CommonPrefixes', [])], answer


def test_delimiters_of_every_kind():
    cases = {
        'a': (['bar', 'baz', 'cab', 'foo'], ['foo'], ['ba', 'ca']),
        '%': (['b%ar', 'b%az', 'c%ab', 'foo'], ['foo'], ['b%', 'c%']),
        ' ': (['b ar', 'b az', 'c ab', 'foo'], ['foo'], ['b ', 'c ']),
        '.': (['b.ar', 'b.az', 'c.ab', 'foo'], ['foo'], ['b.', 'c.']),
        '\x0a': (['bar', 'foo'], ['bar', 'foo'], []),
        '': (['bar', 'foo'], ['bar', 'foo'], []),
    }
    for delimiter, (names, found, prefixes) in cases.items():
        bucket = new_bucket()
        keys(bucket, *names)
        for v2 in (False, True):
            same(listed(bucket, v2, Delimiter=delimiter)[:2], (found, prefixes))


def test_prefix_and_delimiter_in_pages():
    bucket = new_bucket()
    keys(bucket, 'asdf', 'boo/bar', 'boo/baz/xyzzy', 'cquux/thud', 'cquux/bla')
    first, prefixes, answer = listed(bucket, Delimiter='/', MaxKeys=1)
    same((first, prefixes, answer['IsTruncated'], answer['NextMarker']), (['asdf'], [], True, 'asdf'))
    same(listed(bucket, Delimiter='/', MaxKeys=1, Marker='asdf')[:2], ([], ['boo/']))
    same(listed(bucket, Delimiter='/', MaxKeys=1, Marker='boo/')[:2], ([], ['cquux/']))
    same(listed(bucket, Delimiter='/', Prefix='boo/')[:2], (['boo/bar'], ['boo/baz/']))
    token = main.list_objects_v2(Bucket=bucket, Delimiter='/', MaxKeys=2)['NextContinuationToken']
    same(listed(bucket, True, Delimiter='/', MaxKeys=2, ContinuationToken=token)[:2], ([], ['cquux/']))


def test_markers_and_limits():
    bucket = new_bucket()
    keys(bucket, 'bar', 'baz', 'foo', 'quxx')
    same(listed(bucket, Marker='blah')[0], ['foo', 'quxx'])
    same(listed(bucket, Marker='zzz')[0], [])
    same(listed(bucket, Marker='\x0a')[0], ['bar', 'baz', 'foo', 'quxx'])
    same(listed(bucket, True, StartAfter='bar')[0], ['baz', 'foo', 'quxx'])
    found, _, answer = listed(bucket, MaxKeys=0)
    same((found, answer['IsTruncated']), ([], False))
    found, _, answer = listed(bucket)
    same((answer['MaxKeys'], answer['IsTruncated']), (1000, False))
    owner = main.list_objects(Bucket=bucket)['Contents'][0]['Owner']
    same(owner, main.get_object_acl(Bucket=bucket, Key='bar')['Owner'])
    assert 'Owner' not in main.list_objects_v2(Bucket=bucket)['Contents'][0]
    same(main.list_objects_v2(Bucket=bucket, FetchOwner=True)['Contents'][0]['Owner'], owner)


def test_names_of_buckets():
    for name in ('a', 'aa', 'a' * 64, '_foo', 'foo_bar', 'Foo', 'foo-', 'foo..bar', 'foo.-bar', 'foo-.bar', '192.168.5.123'):
        try:
            main.create_bucket(Bucket=name)
        except Exception as error:
            assert 'InvalidBucketName' in str(error) or 'Invalid bucket name' in str(error) or 'Parameter validation' in str(error), error
        else:
            raise AssertionError(name)
    bucket = new_bucket()
    fails('BucketAlreadyOwnedByYou', main.create_bucket, Bucket=bucket)
    fails('BucketAlreadyExists', alt.create_bucket, Bucket=bucket)
    fails('NoSuchBucket', put, 'no-such-bucket-at-all', 'o')


def test_odd_keys():
    bucket = new_bucket()
    odd = [' ', '"', '$', '%', '&', "'", '<', '>', '_', '_ ', '_ _', '__', '\u00e9\u4e2d\U0001f600', 'a//b', '/a', 'a/', '+', 'x' * 1024]
    for name in odd:
        put(bucket, name, name.encode())
    same(sorted(listed(bucket)[0]), sorted(odd))
    for name in odd:
        same(body(bucket, name), name.encode())
    main.delete_objects(Bucket=bucket, Delete={'Objects': [{'Key': name} for name in odd]})
    same(listed(bucket)[0], [])
    fails('KeyTooLongError', put, bucket, 'x' * 1025)


def test_metadata():
    bucket = new_bucket()
    put(bucket, 'o', Metadata={'Mixed-Case': 'v', 'empty': ''}, ContentType='text/x', CacheControl='no-cache', ContentEncoding='gzip',
        ContentDisposition='inline', ContentLanguage='de')
    head = main.head_object(Bucket=bucket, Key='o')
    same(head['Metadata'], {'mixed-case': 'v', 'empty': ''})
    same((head['ContentType'], head['CacheControl'], head['ContentEncoding'], head['ContentLanguage']), ('text/x', 'no-cache', 'gzip', 'de'))
    put(bucket, 'o')
    same(main.head_object(Bucket=bucket, Key='o')['Metadata'], {})
    found = main.get_object(Bucket=bucket, Key='o', ResponseContentType='a/b', ResponseContentDisposition='bla')
    same((found['ContentType'], found['ContentDisposition']), ('a/b', 'bla'))
    fails('MetadataTooLarge', put, bucket, 'o', Metadata={'a': 'x' * 3000})


def test_ranges():
    bucket = new_bucket()
    put(bucket, 'o', b'testcontent')
    for span, wanted in (('bytes=4-7', b'cont'), ('bytes=4-', b'content'), ('bytes=-7', b'content'), ('bytes=0-99', b'testcontent')):
        found = main.get_object(Bucket=bucket, Key='o', Range=span)
        same((found['Body'].read(), found['ResponseMetadata']['HTTPStatusCode']), (wanted, 206))
    fails('InvalidRange', main.get_object, Bucket=bucket, Key='o', Range='bytes=40-50', status=416)
    put(bucket, 'empty', b'')
    fails('InvalidRange', main.get_object, Bucket=bucket, Key='empty', Range='bytes=40-50')


def test_conditional_reads():
    bucket = new_bucket()
    etag = put(bucket, 'o')['ETag']
    read = lambda **options: main.get_object(Bucket=bucket, Key='o', **options)
    read(IfMatch=etag)
    fails('PreconditionFailed', read, IfMatch='"ABCORZ"', status=412)
    fails(304, read, IfNoneMatch=etag)
    read(IfNoneMatch='"ABCORZ"')
    read(IfModifiedSince='Sat, 29 Oct 1994 19:43:31 GMT')
    fails('PreconditionFailed', read, IfUnmodifiedSince='Sat, 29 Oct 1994 19:43:31 GMT')
    read(IfUnmodifiedSince='Sat, 29 Oct 2100 19:43:31 GMT')


def test_copies():
    bucket, other = new_bucket(), new_bucket()
    put(bucket, 'o', b'foo', Metadata={'a': '1'}, ContentType='text/x', StorageClass='STANDARD_IA')
    source = {'Bucket': bucket, 'Key': 'o'}
    main.copy_object(Bucket=other, Key='c', CopySource=source)
    head = main.head_object(Bucket=other, Key='c')
    same((head['Metadata'], head['ContentType'], head.get('StorageClass')), ({'a': '1'}, 'text/x', None))
    main.copy_object(Bucket=other, Key='c', CopySource=source, Metadata={'b': '2'}, MetadataDirective='REPLACE')
    same(main.head_object(Bucket=other, Key='c')['Metadata'], {'b': '2'})
    fails('InvalidRequest', main.copy_object, Bucket=bucket, Key='o', CopySource=source)
    main.copy_object(Bucket=bucket, Key='o', CopySource=source, StorageClass='STANDARD')
    fails('NoSuchKey', main.copy_object, Bucket=bucket, Key='x', CopySource={'Bucket': bucket, 'Key': 'nothing'})
    fails('NoSuchBucket', main.copy_object, Bucket=bucket, Key='x', CopySource={'Bucket': 'no-such-bucket-at-all', 'Key': 'o'})
    fails('AccessDenied', alt.copy_object, Bucket=new_bucket(by=alt), Key='x', CopySource=source)
    etag = main.head_object(Bucket=bucket, Key='o')['ETag']
    main.copy_object(Bucket=bucket, Key='d', CopySource=source, CopySourceIfMatch=etag)
    fails('PreconditionFailed', main.copy_object, Bucket=bucket, Key='d', CopySource=source, CopySourceIfNoneMatch=etag)
    fails('PreconditionFailed', main.copy_object, Bucket=bucket, Key='d', CopySource=source, IfNoneMatch='*')
    put(bucket, 'od&d +%25', b'odd')
    main.copy_object(Bucket=bucket, Key='e', CopySource={'Bucket': bucket, 'Key': 'od&d +%25'})
    same(body(bucket, 'e'), b'odd')


five = b'0123456789abcdef' * (5 * 65536)


def upload(bucket, key, *pieces, **options):
    at = {'Bucket': bucket, 'Key': key, 'UploadId': main.create_multipart_upload(Bucket=bucket, Key=key, **options)['UploadId']}
    parts = []
    for number, piece in enumerate(pieces, 1):
        extra = {'ChecksumAlgorithm': options['ChecksumAlgorithm']} if 'ChecksumAlgorithm' in options else {}
        made = main.upload_part(PartNumber=number, Body=piece, **at, **extra)
        part = {'PartNumber': number, 'ETag': made['ETag']}
        part.update({name: value for name, value in made.items() if name.startswith('Checksum') and name != 'ChecksumType'})
        parts.append(part)
    return at, parts


def test_uploads_in_parts():
    bucket = new_bucket()
    at, parts = upload(bucket, 'm', five, five, b'end', Metadata={'a': 'b'}, ContentType='text/x')
    same([p['PartNumber'] for p in main.list_parts(**at)['Parts']], [1, 2, 3])
    done = main.complete_multipart_upload(MultipartUpload={'Parts': parts}, **at)
    again = main.complete_multipart_upload(MultipartUpload={'Parts': parts}, **at)
    same(done['ETag'], again['ETag'])
    digests = b''.join(hashlib.md5(piece).digest() for piece in (five, five, b'end'))
    same(done['ETag'], '"%s-3"' % hashlib.md5(digests).hexdigest())
    head = main.head_object(Bucket=bucket, Key='m')
    same((head['ContentLength'], head['Metadata'], head['ContentType']), (2 * len(five) + 3, {'a': 'b'}, 'text/x'))
    second = main.get_object(Bucket=bucket, Key='m', PartNumber=3)
    same((second['Body'].read(), second['PartsCount']), (b'end', 3))
    same(main.get_object(Bucket=bucket, Key='m', Range='bytes=%d-' % (2 * len(five) - 2))['Body'].read(), b'efend')
    fails('NoSuchUpload', main.list_parts, **{**at, 'UploadId': 'nonsense'})


def test_uploads_that_go_wrong():
    bucket = new_bucket()
    at, parts = upload(bucket, 'm', b'small', b'end')
    complete = lambda chosen: main.complete_multipart_upload(MultipartUpload={'Parts': chosen}, **at)
    fails('EntityTooSmall', complete, parts)
    fails('InvalidPartOrder', complete, parts[::-1])
    fails('InvalidPart', complete, [{'PartNumber': 1, 'ETag': '"%s"' % ('0' * 32)}])
    fails('InvalidPart', complete, [{'PartNumber': 9, 'ETag': parts[0]['ETag']}])
    fails('MalformedXML', complete, [])
    fails('InvalidArgument', main.upload_part, PartNumber=10001, Body=b'', **at)
    complete(parts[1:])
    same(body(bucket, 'm'), b'end')
    at, parts = upload(bucket, 'n', b'x')
    same(len(main.list_multipart_uploads(Bucket=bucket)['Uploads']), 1)
    main.abort_multipart_upload(**at)
    fails('NoSuchUpload', complete_of(at), parts)
    fails('NoSuchUpload', main.abort_multipart_upload, **at)
    assert 'Uploads' not in main.list_multipart_uploads(Bucket=bucket)


def complete_of(at):
    return lambda parts: main.complete_multipart_upload(MultipartUpload={'Parts': parts}, **at)


def test_parts_put_again_and_copied():
    bucket = new_bucket()
    put(bucket, 'source', five + b'tail')
    at, parts = upload(bucket, 'm', b'wrong', b'end')
    made = main.upload_part_copy(PartNumber=1, CopySource={'Bucket': bucket, 'Key': 'source'}, CopySourceRange='bytes=0-%d' % (len(five) - 1), **at)
    parts[0] = {'PartNumber': 1, 'ETag': made['CopyPartResult']['ETag']}
    complete_of(at)(parts)
    same(body(bucket, 'm'), five + b'end')
    at, _ = upload(bucket, 'n')
    for span in ('0-2', 'bytes=0', 'bytes=hello-world', 'bytes=0-bar', 'bytes=0-2,3-5', 'bytes=5-4'):
        fails('InvalidArgument', main.upload_part_copy, PartNumber=1, CopySource={'Bucket': bucket, 'Key': 'source'}, CopySourceRange=span, **at)


def test_conditional_completion():
    bucket = new_bucket()
    put(bucket, 'm')
    at, parts = upload(bucket, 'm', b'new')
    complete = lambda **options: main.complete_multipart_upload(MultipartUpload={'Parts': parts}, **at, **options)
    fails('PreconditionFailed', complete, IfNoneMatch='*')
    fails('PreconditionFailed', complete, IfMatch='"bad"')
    complete(IfMatch=main.head_object(Bucket=bucket, Key='m')['ETag'])
    same(body(bucket, 'm'), b'new')


def test_checksums():
    bucket = new_bucket()
    for algorithm in ('CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'):
        field = 'Checksum' + algorithm
        try:
            made = put(bucket, 'o', b'checked', ChecksumAlgorithm=algorithm)
        except Exception as error:
            # Some need a library that is not everywhere.
            if 'Missing Dependency' in str(error):
                continue
            raise
        same(main.head_object(Bucket=bucket, Key='o', ChecksumMode='ENABLED')[field], made[field])
        attributes = main.get_object_attributes(Bucket=bucket, Key='o', ObjectAttributes=['Checksum', 'ETag', 'ObjectSize'])
        same((attributes['Checksum'][field], attributes['ObjectSize']), (made[field], 7))
    fails('BadDigest', put, bucket, 'w', b'x', ChecksumSHA256='n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=')
    fails('InvalidRequest', put, bucket, 'w', b'x', ChecksumSHA256='bad')


def test_checksums_of_parts():
    bucket = new_bucket()
    at, parts = upload(bucket, 'm', five, b'end', ChecksumAlgorithm='SHA256')
    done = complete_of(at)(parts)
    assert done['ChecksumSHA256'].endswith('-2'), done
    attributes = main.get_object_attributes(Bucket=bucket, Key='m', ObjectAttributes=['ObjectParts', 'Checksum'])
    same([p['ChecksumSHA256'] for p in attributes['ObjectParts']['Parts']], [p['ChecksumSHA256'] for p in parts])
    at, parts = upload(bucket, 'f', five, b'end', ChecksumAlgorithm='CRC32', ChecksumType='FULL_OBJECT')
    done = complete_of(at)(parts)
    same(done['ChecksumType'], 'FULL_OBJECT')
    same(put(bucket, 'g', five + b'end', ChecksumAlgorithm='CRC32')['ChecksumCRC32'], done['ChecksumCRC32'])


def test_headers_that_are_wrong():
    bucket = new_bucket()
    fails('InvalidDigest', put, bucket, 'o', ContentMD5='YWJyYWNhZGFicmE=')
    fails('BadDigest', put, bucket, 'o', ContentMD5='rL0Y20zC+Fzt72VPzMSk2A==')

    def raw(headers, method='PUT'):
        request = urllib.request.Request('%s/%s/o' % (endpoint, bucket), data=b'x', method=method, headers=headers)
        try:
            return urllib.request.urlopen(request).status
        except urllib.error.HTTPError as error:
            return error.code

    same(raw({'Authorization': ''}), 403)
    same(raw({'Authorization': 'AWS HAHAHA'}), 400)
    same(raw({'Authorization': 'AWS AKIAIGR7ZNNBHC5BKSUB:FWeDfwojDSdS2Ztmpfeubhd9isU=', 'Date': 'Bad Date'}), 403)
    same(raw({'Authorization': 'AWS AKIAIGR7ZNNBHC5BKSUB:FWeDfwojDSdS2Ztmpfeubhd9isU=', 'Date': 'Tue, 07 Jul 2010 21:53:04 GMT'}), 403)


def test_presigned():
    bucket = new_bucket()
    put(bucket, 'o')
    for version in ('s3v4', 's3'):
        signer = client(signature_version=version)
        url = lambda seconds: signer.generate_presigned_url('get_object', Params={'Bucket': bucket, 'Key': 'o'}, ExpiresIn=seconds)
        same(urllib.request.urlopen(url(100)).read(), b'x')
        try:
            urllib.request.urlopen(url(-10))
            raise AssertionError('expired')
        except urllib.error.HTTPError as error:
            same(error.code, 400 if version == 's3v4' else 403)
    signer = client(signature_version='s3')
    same(body(bucket, 'o', by=signer), b'x')
    put(bucket, 'two', b'by version 2', by=signer, Metadata={'a': 'b'}, ACL='public-read')
    same(body(bucket, 'two', by=anonymous), b'by version 2')


def test_host_names():
    bucket = new_bucket()
    request = urllib.request.Request('%s/o' % endpoint, headers={'Host': bucket + '.s3.test'})
    put(bucket, 'o', ACL='public-read')
    if os.environ.get('BASE_DOMAIN') == 's3.test':
        same(urllib.request.urlopen(request).read(), b'x')


def test_what_other_tools_put_into_listings():
    bucket = new_bucket()
    keys(bucket, 'a', 'b/c')
    same(listed(bucket, v2=True, ContinuationToken='')[0], ['a', 'b/c'])
    same(listed(bucket, Prefix='\n')[2]['Prefix'], '\n')
    unordered = client()
    for operation in ('ListObjects', 'ListObjectsV2'):
        unordered.meta.events.register('before-call.s3.' + operation, lambda params, **_: params.update(url=params['url'] + '&allow-unordered=true'))
    same(len(unordered.list_objects(Bucket=bucket)['Contents']), 2)
    fails('InvalidArgument', unordered.list_objects, Bucket=bucket, Delimiter='/')
    fails('InvalidArgument', unordered.list_objects_v2, Bucket=bucket, Delimiter='/')


def test_content_encoding_stays_as_said():
    bucket = new_bucket()
    for said, kept in [('deflate, gzip', 'deflate, gzip'), ('aws-chunked, gzip', 'gzip'), ('gzip, aws-chunked', 'gzip')]:
        put(bucket, 'o', ContentEncoding=said)
        same(main.head_object(Bucket=bucket, Key='o')['ContentEncoding'], kept)


def test_requests_that_lack_something():
    bucket = new_bucket()
    url = main.generate_presigned_url('put_object', Params={'Bucket': bucket, 'Key': 'o'}, ExpiresIn=100)
    host, _, path = url.partition('//')[2].partition('/')
    connection = http.client.HTTPConnection(host)
    connection.putrequest('PUT', '/' + path)
    connection.endheaders()
    answer = connection.getresponse()
    same((answer.status, b'<Code>MissingContentLength</Code>' in answer.read()), (411, True))
    upload_id = main.create_multipart_upload(Bucket=bucket, Key='o')['UploadId']
    fails('MalformedXML', main.complete_multipart_upload, Bucket=bucket, Key='o', UploadId=upload_id)
    put(bucket, 'o', ServerSideEncryption='aws:kms')
    wishing = client()
    wishing.meta.events.register('before-call.s3.HeadObject', lambda params, **_: params['headers'].update({'x-amz-server-side-encryption': 'aws:kms'}))
    fails('400', wishing.head_object, Bucket=bucket, Key='o')
