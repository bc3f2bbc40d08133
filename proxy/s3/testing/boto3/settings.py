"""Buckets' settings, tags, encryption, storage classes, forms."""
import base64
import hashlib
import hmac
import json
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone

from harness import *


def test_tags_of_buckets():
    bucket = new_bucket()
    fails('NoSuchTagSet', main.get_bucket_tagging, Bucket=bucket)
    tags = [{'Key': 'Hello', 'Value': 'Wörld'}]
    main.put_bucket_tagging(Bucket=bucket, Tagging={'TagSet': tags})
    same(main.get_bucket_tagging(Bucket=bucket)['TagSet'], tags)
    main.delete_bucket_tagging(Bucket=bucket)
    fails('NoSuchTagSet', main.get_bucket_tagging, Bucket=bucket)


def test_tags_of_objects():
    bucket = new_bucket()
    put(bucket, 'o', Tagging='a=1&b=two%20words')
    wanted = [{'Key': 'a', 'Value': '1'}, {'Key': 'b', 'Value': 'two words'}]
    same(main.get_object_tagging(Bucket=bucket, Key='o')['TagSet'], wanted)
    same(main.head_object(Bucket=bucket, Key='o')['ResponseMetadata']['HTTPHeaders']['x-amz-tagging-count'], '2')
    source = {'Bucket': bucket, 'Key': 'o'}
    main.copy_object(Bucket=bucket, Key='copied', CopySource=source)
    same(main.get_object_tagging(Bucket=bucket, Key='copied')['TagSet'], wanted)
    main.copy_object(Bucket=bucket, Key='copied', CopySource=source, TaggingDirective='REPLACE', Tagging='c=3')
    same(main.get_object_tagging(Bucket=bucket, Key='copied')['TagSet'], [{'Key': 'c', 'Value': '3'}])
    main.delete_object_tagging(Bucket=bucket, Key='o')
    same(main.get_object_tagging(Bucket=bucket, Key='o')['TagSet'], [])


def test_tags_that_are_wrong():
    bucket = new_bucket()
    put(bucket, 'o')
    set_tags = lambda *pairs: main.put_object_tagging(
        Bucket=bucket, Key='o', Tagging={'TagSet': [{'Key': k, 'Value': v} for k, v in pairs]})
    set_tags(*[('k' * 120 + str(n), 'v' * 256) for n in range(10)])
    fails('InvalidTag', set_tags, *[(str(n), '') for n in range(11)])
    fails('InvalidTag', set_tags, ('k' * 129, ''))
    fails('InvalidTag', set_tags, ('k', 'v' * 257))
    fails('InvalidTag', set_tags, ('k', '1'), ('k', '2'))
    fails('NoSuchKey', main.put_object_tagging, Bucket=bucket, Key='nothing', Tagging={'TagSet': []})


def cors(bucket, *rules):
    main.put_bucket_cors(Bucket=bucket, CORSConfiguration={'CORSRules': list(rules)})


def ask(method, bucket, key='', **headers):
    request = urllib.request.Request('%s/%s/%s' % (endpoint, bucket, key), method=method)
    for name, value in headers.items():
        request.add_header(name.replace('_', '-'), value)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def test_cors_rules():
    bucket = new_bucket(ACL='public-read')
    fails('NoSuchCORSConfiguration', main.get_bucket_cors, Bucket=bucket)
    rule = {'AllowedMethods': ['GET', 'PUT'], 'AllowedOrigins': ['https://*.example.org'], 'AllowedHeaders': ['x-*'],
            'ExposeHeaders': ['ETag'], 'MaxAgeSeconds': 60}
    cors(bucket, rule)
    same(main.get_bucket_cors(Bucket=bucket)['CORSRules'], [rule])
    status, headers = ask('GET', bucket, Origin='https://a.example.org')
    same((status, headers['Access-Control-Allow-Origin']), (200, 'https://a.example.org'))
    same(ask('GET', bucket, Origin='https://example.com')[1]['Access-Control-Allow-Origin'], None)
    asked = {'Origin': 'https://a.example.org', 'Access_Control_Request_Method': 'PUT'}
    status, headers = ask('OPTIONS', bucket, 'k', Access_Control_Request_Headers='X-One', **asked)
    same((status, headers['Access-Control-Max-Age'], headers['Access-Control-Allow-Headers']), (200, '60', 'x-one'))
    same(ask('OPTIONS', bucket, 'k', Access_Control_Request_Headers='Y-One', **asked)[0], 403)
    same(ask('OPTIONS', bucket, 'k')[0], 400)
    # Also where the answer itself is a refusal.
    same(ask('GET', bucket, 'missing', Origin='https://a.example.org')[1]['Access-Control-Allow-Origin'], 'https://a.example.org')
    fails('InvalidRequest', cors, bucket, {**rule, 'AllowedMethods': ['PATCH']})
    main.delete_bucket_cors(Bucket=bucket)
    same(ask('OPTIONS', bucket, 'k', **asked)[0], 403)


def rule_of(**rule):
    return {'ID': 'r', 'Status': 'Enabled', 'Filter': {'Prefix': ''}, 'Expiration': {'Days': 1}, **rule}


def lifecycle(bucket, *rules):
    main.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={'Rules': list(rules)})


def test_lifecycle_documents():
    bucket = new_bucket()
    fails('NoSuchLifecycleConfiguration', main.get_bucket_lifecycle_configuration, Bucket=bucket)
    rules = [
        rule_of(),
        rule_of(ID='tags', Filter={'And': {'Prefix': 'a/', 'Tags': [{'Key': 'k', 'Value': 'v'}], 'ObjectSizeGreaterThan': 5}}),
        rule_of(ID='versions', NoncurrentVersionExpiration={'NoncurrentDays': 2, 'NewerNoncurrentVersions': 3},
                Expiration={'ExpiredObjectDeleteMarker': True}),
        {'ID': 'uploads', 'Status': 'Disabled', 'Filter': {'Prefix': 'u'}, 'AbortIncompleteMultipartUpload': {'DaysAfterInitiation': 2}},
        rule_of(ID='date', Expiration={'Date': datetime(2040, 1, 1, tzinfo=timezone.utc)}),
        rule_of(ID='class', Transitions=[{'Days': 1, 'StorageClass': 'STANDARD_IA'}], Expiration={'Days': 5}),
    ]
    lifecycle(bucket, *rules)
    same(main.get_bucket_lifecycle_configuration(Bucket=bucket)['Rules'], rules)
    put(bucket, 'o')
    assert 'rule-id="r"' in main.head_object(Bucket=bucket, Key='o')['Expiration']
    main.delete_bucket_lifecycle(Bucket=bucket)
    fails('NoSuchLifecycleConfiguration', main.get_bucket_lifecycle_configuration, Bucket=bucket)


def test_lifecycle_documents_that_are_wrong():
    bucket = new_bucket()
    fails('InvalidArgument', lifecycle, bucket, rule_of(), rule_of())
    fails('InvalidArgument', lifecycle, bucket, rule_of(ID='a' * 256))
    fails('InvalidArgument', lifecycle, bucket, rule_of(Expiration={'Days': 0}))
    fails('MalformedXML', lifecycle, bucket, rule_of(Status='enabled'))
    fails('InvalidArgument', lifecycle, bucket, rule_of(Expiration={'Date': datetime(2040, 1, 1, 5, tzinfo=timezone.utc)}))
    fails('MalformedXML', lifecycle, bucket, rule_of(Transitions=[{'Days': 0, 'StorageClass': 'NOWHERE'}]))
    fails('InvalidArgument', lifecycle, bucket, rule_of(Transitions=[{'Days': 1, 'StorageClass': 'STANDARD_IA'}]))
    later = {'Date': datetime(2040, 1, 1, tzinfo=timezone.utc), 'StorageClass': 'STANDARD_IA'}
    fails('InvalidRequest', lifecycle, bucket, rule_of(Transitions=[later]))
    fails('InvalidRequest', lifecycle, bucket, rule_of(Filter={'And': {'ObjectSizeGreaterThan': 9, 'ObjectSizeLessThan': 9}}))
    marked = {'Filter': {'Tag': {'Key': 'k', 'Value': 'v'}}, 'Expiration': {'ExpiredObjectDeleteMarker': True}}
    fails('InvalidRequest', lifecycle, bucket, rule_of(**marked))


def test_encryption():
    bucket = new_bucket()
    fails('ServerSideEncryptionConfigurationNotFoundError', main.get_bucket_encryption, Bucket=bucket)
    answer = put(bucket, 'o', b'secret', ServerSideEncryption='AES256')
    same((answer['ServerSideEncryption'], answer['ETag'].strip('"')), ('AES256', hashlib.md5(b'secret').hexdigest()))
    found = main.get_object(Bucket=bucket, Key='o', Range='bytes=2-3')
    same((found['Body'].read(), found['ServerSideEncryption']), (b'cr', 'AES256'))
    answer = put(bucket, 'k', b'secret', ServerSideEncryption='aws:kms', SSEKMSKeyId='key-1')
    same((answer['SSEKMSKeyId'], body(bucket, 'k')), ('key-1', b'secret'))
    rules = [{'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'aws:kms', 'KMSMasterKeyID': 'key-2'}, 'BucketKeyEnabled': False}]
    main.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={'Rules': rules})
    same(main.get_bucket_encryption(Bucket=bucket)['ServerSideEncryptionConfiguration']['Rules'], rules)
    same(put(bucket, 'd', b'x')['SSEKMSKeyId'], 'key-2')
    main.delete_bucket_encryption(Bucket=bucket)
    fails('InvalidArgument', put, bucket, 'w', ServerSideEncryption='nonsense')
    fails('InvalidArgument', put, bucket, 'w', SSEKMSKeyId='key-1')


def customer(letter=b'a'):
    return {'SSECustomerAlgorithm': 'AES256', 'SSECustomerKey': letter * 32}


def test_encryption_with_a_key_of_ones_own():
    bucket = new_bucket()
    data = bytes(range(256)) * 70
    answer = put(bucket, 'o', data, **customer())
    assert answer['SSECustomerAlgorithm'] == 'AES256' and answer['SSECustomerKeyMD5']
    same(body(bucket, 'o', **customer()), data)
    same(main.get_object(Bucket=bucket, Key='o', Range='bytes=1000-1999', **customer())['Body'].read(), data[1000:2000])
    for options in ({}, customer(b'b')):
        fails('InvalidRequest', main.get_object, Bucket=bucket, Key='o', status=400, **options)
        fails(400, main.head_object, Bucket=bucket, Key='o', **options)
    copy = {'CopySourceSSECustomerAlgorithm': 'AES256', 'CopySourceSSECustomerKey': b'a' * 32}
    main.copy_object(Bucket=bucket, Key='o2', CopySource={'Bucket': bucket, 'Key': 'o'}, **copy, **customer(b'c'))
    same(body(bucket, 'o2', **customer(b'c')), data)
    upload = main.create_multipart_upload(Bucket=bucket, Key='m', **customer())['UploadId']
    at = {'Bucket': bucket, 'Key': 'm', 'UploadId': upload}
    big = b'0123456789abcdef' * (5 * 65536)
    parts = [main.upload_part(PartNumber=n, Body=piece, **at, **customer())['ETag'] for n, piece in ((1, big), (2, data))]
    fails('InvalidRequest', main.upload_part, PartNumber=3, Body=b'x', **at)
    done = [{'PartNumber': n + 1, 'ETag': etag} for n, etag in enumerate(parts)]
    main.complete_multipart_upload(MultipartUpload={'Parts': done}, **at)
    same(hashlib.md5(body(bucket, 'm', **customer())).digest(), hashlib.md5(big + data).digest())
    same(main.get_object(Bucket=bucket, Key='m', PartNumber=2, **customer())['Body'].read(), data)


def test_storage_classes():
    bucket = new_bucket()
    put(bucket, 'o', StorageClass='STANDARD_IA')
    put(bucket, 'p')
    same([c['StorageClass'] for c in main.list_objects_v2(Bucket=bucket)['Contents']], ['STANDARD_IA', 'STANDARD'])
    same(main.head_object(Bucket=bucket, Key='o')['StorageClass'], 'STANDARD_IA')
    fails('InvalidStorageClass', put, bucket, 'w', StorageClass='NOWHERE')


def test_honest_answers():
    bucket = new_bucket()
    same(main.get_bucket_request_payment(Bucket=bucket)['Payer'], 'BucketOwner')
    main.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={'Payer': 'BucketOwner'})
    fails('NotImplemented', main.put_bucket_request_payment, Bucket=bucket, RequestPaymentConfiguration={'Payer': 'Requester'})
    assert 'Status' not in main.get_bucket_accelerate_configuration(Bucket=bucket)
    fails('NotImplemented', main.put_bucket_accelerate_configuration, Bucket=bucket, AccelerateConfiguration={'Status': 'Enabled'})
    fails('ReplicationConfigurationNotFoundError', main.get_bucket_replication, Bucket=bucket)
    put(bucket, 'o')
    fails('InvalidObjectState', main.restore_object, Bucket=bucket, Key='o', RestoreRequest={'Days': 1})


def form(bucket, fields, file=b'file', filename='f.txt', named=False):
    mark = uuid.uuid4().hex
    lines = []
    for name, value in fields.items():
        also = '; filename="%s"' % name if named else ''
        lines.append('--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (mark, name, also, value))
    head = '--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\nContent-Type: text/plain\r\n\r\n' % (mark, filename)
    data = ''.join(lines).encode() + (b'' if file is None else head.encode() + file + b'\r\n') + ('--%s--\r\n' % mark).encode()
    request = urllib.request.Request('%s/%s' % (endpoint, bucket), data=data, method='POST')
    request.add_header('Content-Type', 'multipart/form-data; boundary=' + mark)

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args):
            return None

    try:
        with urllib.request.build_opener(NoRedirect).open(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_forms_signed_version_4():
    bucket = new_bucket()
    conditions = [['starts-with', '$key', 'up/'], ['content-length-range', 2, 10], {'success_action_status': '201'}]
    post = client(signature_version='s3v4').generate_presigned_post(bucket, 'up/${filename}', Conditions=conditions, Fields={'success_action_status': '201'})
    status, _, answer = form(bucket, post['fields'], b'hello', 'one.txt')
    assert status == 201 and b'<Key>up/one.txt</Key>' in answer, answer
    same(body(bucket, 'up/one.txt'), b'hello')
    same(form(bucket, post['fields'], b'x')[0], 400)
    same(form(bucket, post['fields'], b'x' * 11)[0], 400)
    same(form(bucket, {**post['fields'], 'key': 'down/a'})[0], 403)
    same(form(bucket, {**post['fields'], 'x-amz-meta-a': 'b'})[0], 403)
    same(form(bucket, {**post['fields'], 'x-ignore-a': 'b'})[0], 201)
    same(form(bucket, {**post['fields'], 'x-amz-signature': '0' * 64})[0], 403)
    same(form(bucket, post['fields'], None)[0], 400)


def signed_v2(bucket, conditions, expires=100, key='expiration'):
    until = (datetime.now(timezone.utc) + timedelta(seconds=expires)).strftime('%Y-%m-%dT%H:%M:%SZ')
    document = base64.b64encode(json.dumps({key: until, 'conditions': conditions}).encode()).decode()
    secret = os.environ['AWS_SECRET_ACCESS_KEY'].encode()
    signature = base64.b64encode(hmac.new(secret, document.encode(), hashlib.sha1).digest()).decode()
    return {'AWSAccessKeyId': os.environ['AWS_ACCESS_KEY_ID'], 'policy': document, 'signature': signature}


def test_forms_signed_version_2():
    bucket = new_bucket()
    conditions = [{'bucket': bucket}, ['starts-with', '$key', ''], ['eq', '$acl', 'public-read'], ['starts-with', '$Content-Type', 'text/']]
    fields = {'key': 'foo.txt', 'acl': 'public-read', 'Content-Type': 'text/plain', **signed_v2(bucket, conditions)}
    same(form(bucket, fields)[0], 204)
    same(body(bucket, 'foo.txt', by=anonymous), b'file')
    same(form(bucket, {**fields, 'Content-Type': 'image/png'})[0], 403)
    named = conditions[:1] + [['starts-with', '$key', 'in-']] + conditions[2:]
    for filename, status in [('in-one', 204), ('out-one', 403)]:
        same(form(bucket, {**fields, 'key': '${filename}', **signed_v2(bucket, named)}, filename=filename)[0], status)
    same(form(bucket, {**fields, **signed_v2(bucket, conditions, expires=-100)})[0], 403)
    same(form(bucket, {**fields, **signed_v2(bucket, conditions, key='EXPIRATION')})[0], 400)
    same(form(bucket, {**fields, **signed_v2(bucket, [{}])})[0], 400)
    same(form(bucket, {**fields, 'AWSAccessKeyId': 'NOBODY'})[0], 403)
    redirect = {**fields, 'success_action_redirect': 'http://example.org/done'}
    redirect.update(signed_v2(bucket, conditions + [['starts-with', '$success_action_redirect', 'http']]))
    status, headers, _ = form(bucket, redirect)
    assert status == 303 and headers['Location'].startswith('http://example.org/done?bucket='), headers


def test_forms_of_nobody():
    bucket = new_bucket()
    same(form(bucket, {'key': 'o'})[0], 403)
    main.put_bucket_acl(Bucket=bucket, ACL='public-read-write')
    same(form(bucket, {'key': 'o', 'acl': 'public-read'})[0], 204)
    same(body(bucket, 'o', by=anonymous), b'file')
    same(form(bucket, {'acl': 'private'})[0], 400)
    tagging = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'
    same(form(bucket, {'key': 'named', 'acl': 'public-read', 'tagging': tagging}, named=True)[0], 204)
    same(main.get_object_tagging(Bucket=bucket, Key='named')['TagSet'], [{'Key': 'a', 'Value': 'b'}])


def test_websites_and_logging_documents():
    bucket = new_bucket()
    fails('NoSuchWebsiteConfiguration', main.get_bucket_website, Bucket=bucket)
    site = {
        'IndexDocument': {'Suffix': 'index.html'},
        'ErrorDocument': {'Key': 'error.html'},
        'RoutingRules': [{'Condition': {'KeyPrefixEquals': 'old/'}, 'Redirect': {'ReplaceKeyPrefixWith': 'new/', 'HttpRedirectCode': '302'}}],
    }
    main.put_bucket_website(Bucket=bucket, WebsiteConfiguration=site)
    answer = main.get_bucket_website(Bucket=bucket)
    same({name: answer[name] for name in site}, site)
    main.delete_bucket_website(Bucket=bucket)
    assert 'LoggingEnabled' not in main.get_bucket_logging(Bucket=bucket)
    logging = {'LoggingEnabled': {'TargetBucket': bucket, 'TargetPrefix': 'logs/'}}
    main.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=logging)
    same(main.get_bucket_logging(Bucket=bucket)['LoggingEnabled'], logging['LoggingEnabled'])
    nowhere = {'LoggingEnabled': {'TargetBucket': 'no-such-bucket-here', 'TargetPrefix': ''}}
    fails('InvalidTargetBucketForLogging', main.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=nowhere)


def test_kinds_of_configurations_that_there_never_are():
    bucket = new_bucket()
    kinds = {
        'analytics': {'Id': 'x', 'StorageClassAnalysis': {}},
        'metrics': {'Id': 'x'},
        'intelligent_tiering': {'Id': 'x', 'Status': 'Enabled', 'Tierings': [{'Days': 90, 'AccessTier': 'ARCHIVE_ACCESS'}]},
    }
    for kind, wanted in kinds.items():
        call = lambda verb, more='': getattr(main, '%s_bucket_%s_configuration%s' % (verb, kind, more))
        listed = call('list', 's')(Bucket=bucket)
        same([name for name in listed if name.endswith('List')], [])
        fails('NoSuchConfiguration', call('get'), Bucket=bucket, Id='x')
        fails('NoSuchConfiguration', call('delete'), Bucket=bucket, Id='x')
        name = {'analytics': 'Analytics', 'metrics': 'Metrics', 'intelligent_tiering': 'IntelligentTiering'}[kind]
        fails('NotImplemented', call('put'), Bucket=bucket, Id='x', **{name + 'Configuration': wanted})
        fails('AccessDenied', getattr(alt, 'list_bucket_%s_configurations' % kind), Bucket=bucket)
    main.delete_bucket_replication(Bucket=bucket)
    fails('NoSuchConfiguration', main.get_bucket_inventory_configuration, Bucket=bucket, Id='x')
    same(main.list_bucket_inventory_configurations(Bucket=bucket)['IsTruncated'], False)


def test_an_operation_of_tomorrow_does_no_harm():
    bucket = new_bucket()
    put(bucket, 'o')

    def later(request, **_):
        request.url += ('&' if '?' in request.url else '?') + 'somethingNew'

    main.meta.events.register('before-sign.s3', later)
    try:
        fails('NotImplemented', main.delete_bucket, Bucket=bucket)
        fails('NotImplemented', main.create_bucket, Bucket=bucket + '-x')
        fails('NotImplemented', main.put_object, Bucket=bucket, Key='o', Body=b'y')
        fails('NotImplemented', main.delete_object, Bucket=bucket, Key='o')
    finally:
        main.meta.events.unregister('before-sign.s3', later)
    same(body(bucket, 'o'), b'x')
    same(bucket + '-x' in [b['Name'] for b in main.list_buckets()['Buckets']], False)


def test_buckets_by_region():
    bucket = new_bucket()
    here = main.list_buckets(BucketRegion='us-east-1', Prefix=bucket)['Buckets']
    same([(b['Name'], b['BucketRegion']) for b in here], [(bucket, 'us-east-1')])
    same(main.list_buckets(BucketRegion='eu-west-1')['Buckets'], [])


def test_web_sites_that_mean_nothing():
    bucket = new_bucket()
    index = {'IndexDocument': {'Suffix': 'index.html'}}
    host = {'HostName': 'example.com'}

    def refused(code, **site):
        fails(code, main.put_bucket_website, Bucket=bucket, WebsiteConfiguration=site)

    def rule(code, condition=None, **redirect):
        one = {'Redirect': redirect, **({} if condition is None else {'Condition': condition})}
        refused(code, **index, RoutingRules=[one])

    refused('InvalidArgument', IndexDocument={'Suffix': ''})
    refused('InvalidArgument', IndexDocument={'Suffix': 'a/b'})
    refused('InvalidArgument')
    refused('InvalidRequest', RedirectAllRequestsTo={**host, 'Protocol': 'ftp'})
    # Nothing of it would be kept.
    refused('MalformedXML', RedirectAllRequestsTo=host, **index)
    rule('InvalidRequest', **host, Protocol='ftp')
    rule('InvalidRequest', **host, HttpRedirectCode='306')
    rule('InvalidRequest', ReplaceKeyWith='x', ReplaceKeyPrefixWith='y')
    rule('InvalidRequest', {'HttpErrorCodeReturnedEquals': '399'}, **host)
    rule('MalformedXML', {'HttpErrorCodeReturnedEquals': '4xx'}, **host)
    rule('MalformedXML', {}, **host)
    rule('MalformedXML', {'KeyPrefixEquals': 'x'})
    many = [{'Condition': {'KeyPrefixEquals': str(n)}, 'Redirect': host} for n in range(51)]
    refused('InvalidRequest', **index, RoutingRules=many)
    fails('NoSuchWebsiteConfiguration', main.get_bucket_website, Bucket=bucket)
