"""Access control lists, policies, public access, ownership."""
import json

from harness import *

everyone = 'http://acs.amazonaws.com/groups/global/AllUsers'
signed = 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers'


def grants(answer):
    return sorted((g['Grantee'].get('ID') or g['Grantee']['URI'], g['Permission']) for g in answer['Grants'])


def policy(bucket, *statements):
    document = json.dumps({'Version': '2012-10-17', 'Statement': list(statements)})
    main.put_bucket_policy(Bucket=bucket, Policy=document)
    return document


def allow(action, resource, principal='*', effect='Allow', **conditions):
    statement = {'Effect': effect, 'Principal': principal, 'Action': action, 'Resource': resource}
    if conditions:
        statement['Condition'] = conditions['condition']
    return statement


def arn(bucket, key=None):
    return 'arn:aws:s3:::' + bucket + ('' if key is None else '/' + key)


def test_default_acl():
    bucket = new_bucket()
    put(bucket, 'o')
    wanted = [(main_id, 'FULL_CONTROL')]
    same(grants(main.get_bucket_acl(Bucket=bucket)), wanted)
    same(grants(main.get_object_acl(Bucket=bucket, Key='o')), wanted)


def test_canned_bucket_acls():
    own = (main_id, 'FULL_CONTROL')
    cases = {
        'private': [own],
        'public-read': [own, (everyone, 'READ')],
        'public-read-write': [own, (everyone, 'READ'), (everyone, 'WRITE')],
        'authenticated-read': [own, (signed, 'READ')],
    }
    bucket = new_bucket()
    for name, wanted in cases.items():
        main.put_bucket_acl(Bucket=bucket, ACL=name)
        same(grants(main.get_bucket_acl(Bucket=bucket)), sorted(wanted))
        same(grants(main.get_bucket_acl(Bucket=new_bucket(ACL=name))), sorted(wanted))


def test_public_bucket_lists_and_takes():
    bucket = new_bucket(ACL='public-read')
    put(bucket, 'o')
    same([c['Key'] for c in anonymous.list_objects_v2(Bucket=bucket)['Contents']], ['o'])
    fails('AccessDenied', anonymous.get_object, Bucket=bucket, Key='o')
    fails('AccessDenied', anonymous.put_object, Bucket=bucket, Key='p', Body=b'x')
    main.put_bucket_acl(Bucket=bucket, ACL='public-read-write')
    anonymous.put_object(Bucket=bucket, Key='p', Body=b'x')
    alt.delete_object(Bucket=bucket, Key='p')
    main.put_bucket_acl(Bucket=bucket, ACL='authenticated-read')
    fails('AccessDenied', anonymous.list_objects_v2, Bucket=bucket)
    alt.list_objects_v2(Bucket=bucket)


def test_object_acls():
    bucket = new_bucket()
    put(bucket, 'o', ACL='public-read')
    same(body(bucket, 'o', by=anonymous), b'x')
    main.put_object_acl(Bucket=bucket, Key='o', ACL='authenticated-read')
    fails('AccessDenied', anonymous.get_object, Bucket=bucket, Key='o')
    same(body(bucket, 'o', by=alt), b'x')
    main.put_object_acl(Bucket=bucket, Key='o', ACL='private')
    fails('AccessDenied', alt.get_object, Bucket=bucket, Key='o')
    main.put_object_acl(Bucket=bucket, Key='o', GrantRead='id=' + alt_id)
    same(body(bucket, 'o', by=alt), b'x')
    fails('AccessDenied', alt.get_object_acl, Bucket=bucket, Key='o')


def test_acl_documents_and_what_is_wrong_with_them():
    bucket = new_bucket()
    acl = main.get_bucket_acl(Bucket=bucket)
    del acl['ResponseMetadata']
    acl['Grants'].append({'Grantee': {'ID': alt_id, 'Type': 'CanonicalUser'}, 'Permission': 'FULL_CONTROL'})
    main.put_bucket_acl(Bucket=bucket, AccessControlPolicy=acl)
    alt.put_object(Bucket=bucket, Key='o', Body=b'x')
    alt.list_objects_v2(Bucket=bucket)
    alt.get_bucket_acl(Bucket=bucket)
    alt.put_bucket_acl(Bucket=bucket, ACL='private')
    acl['Grants'][1]['Permission'] = 'NONSENSE'
    fails('MalformedACLError', main.put_bucket_acl, Bucket=bucket, AccessControlPolicy=acl)
    fails('InvalidArgument', main.put_bucket_acl, Bucket=bucket, ACL='nonsense')
    fails('InvalidArgument', main.put_bucket_acl, Bucket=bucket, GrantRead='id=nobody')
    fails('UnresolvableGrantByEmailAddress', main.put_bucket_acl, Bucket=bucket, GrantRead='emailAddress=x@example.com')
    fails('InvalidRequest', main.put_bucket_acl, Bucket=bucket, ACL='private', GrantRead='id=' + alt_id)


def test_who_writes_owns():
    bucket = new_bucket(ACL='public-read-write')
    put(bucket, 'theirs', by=alt)
    same(alt.get_object_acl(Bucket=bucket, Key='theirs')['Owner']['ID'], alt_id)
    put(bucket, 'given', by=alt, ACL='bucket-owner-full-control')
    same(grants(alt.get_object_acl(Bucket=bucket, Key='given')),
         sorted([(alt_id, 'FULL_CONTROL'), (main_id, 'FULL_CONTROL')]))


def test_ownership_controls():
    bucket = new_bucket()
    fails('OwnershipControlsNotFoundError', main.get_bucket_ownership_controls, Bucket=bucket)
    for mode in ('BucketOwnerPreferred', 'ObjectWriter', 'BucketOwnerEnforced'):
        main.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={'Rules': [{'ObjectOwnership': mode}]})
        rules = main.get_bucket_ownership_controls(Bucket=bucket)['OwnershipControls']['Rules']
        same(rules, [{'ObjectOwnership': mode}])
    fails('AccessControlListNotSupported', main.put_bucket_acl, Bucket=bucket, ACL='public-read')
    fails('AccessControlListNotSupported', put, bucket, 'o', ACL='public-read')
    put(bucket, 'o', ACL='bucket-owner-full-control')
    main.delete_bucket_ownership_controls(Bucket=bucket)
    fails('OwnershipControlsNotFoundError', main.get_bucket_ownership_controls, Bucket=bucket)
    made = new_bucket(ObjectOwnership='BucketOwnerEnforced')
    same(main.get_bucket_ownership_controls(Bucket=made)['OwnershipControls']['Rules'][0]['ObjectOwnership'], 'BucketOwnerEnforced')


def test_policy_allows_others():
    bucket = new_bucket()
    put(bucket, 'o')
    fails('NoSuchBucketPolicy', main.get_bucket_policy, Bucket=bucket)
    document = policy(bucket, allow('s3:ListBucket', [arn(bucket), arn(bucket, '*')]))
    same(json.loads(main.get_bucket_policy(Bucket=bucket)['Policy']), json.loads(document))
    alt.list_objects_v2(Bucket=bucket)
    anonymous.list_objects(Bucket=bucket)
    fails('AccessDenied', alt.get_object, Bucket=bucket, Key='o')
    policy(bucket, allow('s3:Get*', arn(bucket, 'o*'), {'AWS': 'arn:aws:iam::%s:root' % alt_id}))
    same(body(bucket, 'o', by=alt), b'x')
    fails('AccessDenied', anonymous.get_object, Bucket=bucket, Key='o')
    main.delete_bucket_policy(Bucket=bucket)
    fails('AccessDenied', alt.get_object, Bucket=bucket, Key='o')


def test_policy_denies_even_the_owner():
    bucket = new_bucket()
    put(bucket, 'o')
    policy(bucket, allow('s3:GetObject', arn(bucket, '*'), effect='Deny'))
    fails('AccessDenied', main.get_object, Bucket=bucket, Key='o')
    main.delete_bucket_policy(Bucket=bucket)
    same(body(bucket, 'o'), b'x')


def test_policy_conditions():
    bucket = new_bucket()
    put(bucket, 'public', Tagging='security=public')
    put(bucket, 'secret', Tagging='security=private')
    tag = {'StringEquals': {'s3:ExistingObjectTag/security': 'public'}}
    policy(bucket, allow('s3:GetObject', arn(bucket, '*'), condition=tag))
    same(body(bucket, 'public', by=alt), b'x')
    fails('AccessDenied', alt.get_object, Bucket=bucket, Key='secret')
    policy(bucket, allow('s3:ListBucket', arn(bucket), condition={'StringLike': {'s3:prefix': 'a/*'}}))
    alt.list_objects_v2(Bucket=bucket, Prefix='a/b')
    fails('AccessDenied', alt.list_objects_v2, Bucket=bucket, Prefix='b')
    here = {'IpAddress': {'aws:SourceIp': '127.0.0.0/8'}}
    policy(bucket, allow('s3:GetObject', arn(bucket, '*'), condition=here))
    same(body(bucket, 'public', by=anonymous), b'x')
    policy(bucket, allow('s3:GetObject', arn(bucket, '*'), condition={'NotIpAddress': here['IpAddress']}))
    fails('AccessDenied', anonymous.get_object, Bucket=bucket, Key='public')
    policy(bucket, allow('s3:PutObject', arn(bucket, '*'), effect='Deny', condition={'Null': {'s3:if-none-match': 'true'}}))
    fails('AccessDenied', put, bucket, 'new')
    put(bucket, 'new', IfNoneMatch='*')


def test_policy_on_tags_of_what_is_put():
    bucket = new_bucket()
    tagged = {'StringEquals': {'s3:RequestObjectTag/security': 'public'}}
    policy(bucket, allow('s3:PutObject', 'arn:aws:s3::*:%s/*' % bucket, condition=tagged))
    put(bucket, 'o', by=alt, Tagging='security=public')
    fails('AccessDenied', put, bucket, 'o', by=alt, Tagging='security=private')
    fails('AccessDenied', put, bucket, 'o', by=alt)
    policy(bucket, allow('s3:PutObject', arn(bucket, '*')), allow('s3:PutObjectTagging', arn(bucket, '*'), effect='Deny'))
    put(bucket, 'o', by=alt)
    fails('AccessDenied', put, bucket, 'o', by=alt, Tagging='a=b')


def test_policy_wants_encryption():
    bucket = new_bucket()
    policy(bucket,
           allow('s3:PutObject', arn(bucket, '*'), effect='Deny',
                 condition={'StringNotEquals': {'s3:x-amz-server-side-encryption': 'AES256'}}),
           allow('s3:PutObject', arn(bucket, '*'), effect='Deny',
                 condition={'Null': {'s3:x-amz-server-side-encryption': 'true'}}))
    fails('AccessDenied', put, bucket, 'o')
    put(bucket, 'o', ServerSideEncryption='AES256')


def test_policy_documents_that_are_wrong():
    bucket = new_bucket()
    good = allow('s3:GetObject', arn(bucket, '*'))
    for wrong in (
        'nonsense',
        '{}',
        json.dumps({'Version': '2030-01-01', 'Statement': [good]}),
        json.dumps({'Version': '2012-10-17', 'Statement': [{**good, 'Resource': 'arn:aws:s3:::another/*'}]}),
        json.dumps({'Version': '2012-10-17', 'Statement': [{**good, 'Action': 'ec2:Run'}]}),
        json.dumps({'Version': '2012-10-17', 'Statement': [{**good, 'Effect': 'Perhaps'}]}),
        json.dumps({'Version': '2012-10-17', 'Statement': [{**good, 'Condition': {'Roughly': {'a': 'b'}}}]}),
    ):
        fails('MalformedPolicy', main.put_bucket_policy, Bucket=bucket, Policy=wrong)


def test_policy_status():
    bucket = new_bucket()
    is_public = lambda: main.get_bucket_policy_status(Bucket=bucket)['PolicyStatus']['IsPublic']
    same(is_public(), False)
    policy(bucket, allow('s3:GetObject', arn(bucket, '*')))
    same(is_public(), True)
    policy(bucket, allow('s3:GetObject', arn(bucket, '*'), condition={'IpAddress': {'aws:SourceIp': '10.0.0.0/8'}}))
    same(is_public(), False)
    main.delete_bucket_policy(Bucket=bucket)
    main.put_bucket_acl(Bucket=bucket, ACL='public-read')
    same(is_public(), True)


def test_public_access_block():
    bucket = new_bucket()
    fails('NoSuchPublicAccessBlockConfiguration', main.get_public_access_block, Bucket=bucket)
    off = {'BlockPublicAcls': False, 'IgnorePublicAcls': False, 'BlockPublicPolicy': False, 'RestrictPublicBuckets': False}
    block = lambda **on: main.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**off, **on})
    block(BlockPublicAcls=True, BlockPublicPolicy=True)
    same(main.get_public_access_block(Bucket=bucket)['PublicAccessBlockConfiguration'],
         {**off, 'BlockPublicAcls': True, 'BlockPublicPolicy': True})
    fails('AccessDenied', main.put_bucket_acl, Bucket=bucket, ACL='public-read')
    fails('AccessDenied', put, bucket, 'o', ACL='public-read')
    fails('AccessDenied', policy, bucket, allow('s3:GetObject', arn(bucket, '*')))
    block()
    put(bucket, 'o', ACL='public-read')
    same(body(bucket, 'o', by=anonymous), b'x')
    block(IgnorePublicAcls=True)
    fails('AccessDenied', anonymous.get_object, Bucket=bucket, Key='o')
    main.delete_public_access_block(Bucket=bucket)
    same(body(bucket, 'o', by=anonymous), b'x')


def test_missing_key_is_told_only_to_who_may_list():
    bucket = new_bucket()
    fails('AccessDenied', anonymous.get_object, Bucket=bucket, Key='nothing')
    policy(bucket, allow('s3:GetObject', arn(bucket, '*')))
    fails('AccessDenied', anonymous.get_object, Bucket=bucket, Key='nothing')
    policy(bucket, allow('s3:GetObject', arn(bucket, '*')), allow('s3:ListBucket', arn(bucket)))
    fails('NoSuchKey', anonymous.get_object, Bucket=bucket, Key='nothing')


def owners(answer, name='Contents'):
    return {c['Key']: c['Owner']['ID'] for c in answer[name]}


def test_listings_show_who_put_an_object():
    bucket = new_bucket(ACL='public-read-write')
    set_versioning(bucket, 'Enabled')
    put(bucket, 'mine')
    put(bucket, 'theirs', by=alt)
    put(bucket, 'given', by=alt, ACL='bucket-owner-full-control')
    wanted = {'mine': main_id, 'theirs': alt_id, 'given': alt_id}
    same(owners(main.list_objects(Bucket=bucket)), wanted)
    same(owners(main.list_objects_v2(Bucket=bucket, FetchOwner=True)), wanted)
    same(owners(main.list_object_versions(Bucket=bucket), 'Versions'), wanted)
    same('Owner' in main.list_objects_v2(Bucket=bucket)['Contents'][0], False)
    same(alt.get_object_acl(Bucket=bucket, Key='theirs')['Owner']['ID'], alt_id)
    same(main.list_objects(Bucket=bucket)['Contents'][0]['Owner']['DisplayName'] != '', True)
    # What is put again is whoever put it last's.
    put(bucket, 'theirs')
    same(owners(main.list_objects(Bucket=bucket))['theirs'], main_id)
    alt.copy_object(Bucket=bucket, Key='copied', CopySource={'Bucket': bucket, 'Key': 'given'})
    same(owners(main.list_objects(Bucket=bucket))['copied'], alt_id)
    # An access list changes what others may, not whose it is.
    alt.put_object_acl(Bucket=bucket, Key='given', ACL='public-read')
    same(owners(main.list_objects(Bucket=bucket))['given'], alt_id)


def test_listings_show_who_began_an_upload():
    bucket = new_bucket(ACL='public-read-write')
    upload = alt.create_multipart_upload(Bucket=bucket, Key='theirs')['UploadId']
    main.create_multipart_upload(Bucket=bucket, Key='mine')
    found = main.list_multipart_uploads(Bucket=bucket)['Uploads']
    same([u['Owner']['ID'] for u in found], [main_id, alt_id])
    same([u['Initiator']['ID'] for u in found], [main_id, alt_id])
    part = alt.upload_part(Bucket=bucket, Key='theirs', UploadId=upload, PartNumber=1, Body=b'x')
    same(main.list_parts(Bucket=bucket, Key='theirs', UploadId=upload)['Owner']['ID'], alt_id)
    parts = {'Parts': [{'PartNumber': 1, 'ETag': part['ETag']}]}
    alt.complete_multipart_upload(Bucket=bucket, Key='theirs', UploadId=upload, MultipartUpload=parts)
    same(owners(main.list_objects(Bucket=bucket)), {'theirs': alt_id})


def test_an_enforced_bucket_owns_everything():
    bucket = new_bucket(ObjectOwnership='BucketOwnerEnforced')
    policy(bucket, allow('s3:PutObject', arn(bucket, '*')))
    put(bucket, 'theirs', by=alt)
    same(owners(main.list_objects(Bucket=bucket)), {'theirs': main_id})
    preferred = new_bucket(ObjectOwnership='BucketOwnerPreferred')
    policy(preferred, allow('s3:PutObject', arn(preferred, '*')))
    put(preferred, 'kept', by=alt)
    put(preferred, 'given', by=alt, ACL='bucket-owner-full-control')
    same(owners(main.list_objects(Bucket=preferred)), {'kept': alt_id, 'given': main_id})
