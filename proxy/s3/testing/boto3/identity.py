"""Sessions and users: STS and IAM at the service's root."""
import json

from harness import *

sts = client(service='sts')
iam = client(service='iam')
full = json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 's3:*', 'Resource': '*'}]})


def by(credentials, service='s3'):
    return boto3.client(
        service, endpoint_url=endpoint, region_name='us-east-1',
        aws_access_key_id=credentials['AccessKeyId'],
        aws_secret_access_key=credentials['SecretAccessKey'],
        aws_session_token=credentials.get('SessionToken'),
        config=Config(retries={'max_attempts': 0}, s3={'addressing_style': 'path'}))


def new_user(policy=None):
    name = 'user-%d' % next(harness_numbers)
    iam.create_user(UserName=name)
    if policy:
        iam.put_user_policy(UserName=name, PolicyName='p', PolicyDocument=policy)
    return name, iam.create_access_key(UserName=name)['AccessKey']


import harness

harness_numbers = harness._numbers


def test_who_am_i():
    me = sts.get_caller_identity()
    same(me['Account'], main_id)
    assert me['Arn'].startswith('arn:aws:iam::%s:user/' % main_id)
    name, key = new_user(full)
    same(by(key, 'sts').get_caller_identity()['Arn'], 'arn:aws:iam::%s:user/%s' % (main_id, name))


def test_session_token():
    credentials = sts.get_session_token(DurationSeconds=900)['Credentials']
    session = by(credentials)
    bucket = new_bucket(by=session)
    put(bucket, 'o', by=session)
    same(body(bucket, 'o'), b'x')
    url = session.generate_presigned_url('get_object', Params={'Bucket': bucket, 'Key': 'o'})
    import urllib.request
    same(urllib.request.urlopen(url).read(), b'x')
    fails('InvalidToken', by({**credentials, 'SessionToken': 'nonsense'}).list_buckets)
    fails('InvalidAccessKeyId', by({**credentials, 'SessionToken': None}).list_buckets)
    fails('ValidationError', sts.get_session_token, DurationSeconds=1000000)


def test_users_come_and_go():
    name, key = new_user()
    same(iam.get_user(UserName=name)['User']['UserName'], name)
    assert name in [u['UserName'] for u in iam.list_users()['Users']]
    same([k['AccessKeyId'] for k in iam.list_access_keys(UserName=name)['AccessKeyMetadata']], [key['AccessKeyId']])
    fails('EntityAlreadyExists', iam.create_user, UserName=name)
    fails('DeleteConflict', iam.delete_user, UserName=name)
    iam.delete_access_key(UserName=name, AccessKeyId=key['AccessKeyId'])
    fails('InvalidAccessKeyId', by(key).list_buckets)
    iam.delete_user(UserName=name)
    fails('NoSuchEntity', iam.get_user, UserName=name)


def test_users_come_in_pages():
    names = {new_user()[0] for _ in range(5)}
    pages = list(iam.get_paginator('list_users').paginate(PaginationConfig={'PageSize': 2}))
    assert len(pages) > 2
    assert names <= {u['UserName'] for page in pages for u in page['Users']}
    fails('ValidationError', iam.list_users, Marker='user', PathPrefix='/', MaxItems=1001)


def test_user_does_what_its_policies_say():
    bucket = new_bucket()
    put(bucket, 'a/o')
    name, key = new_user()
    user = by(key)
    fails('AccessDenied', user.get_object, Bucket=bucket, Key='a/o')
    reading = {'Effect': 'Allow', 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::%s/${aws:username}/*' % bucket}
    document = json.dumps({'Version': '2012-10-17', 'Statement': [reading]})
    iam.put_user_policy(UserName=name, PolicyName='own', PolicyDocument=document)
    put(bucket, name + '/o')
    same(body(bucket, name + '/o', by=user), b'x')
    fails('AccessDenied', user.get_object, Bucket=bucket, Key='a/o')
    fails('AccessDenied', user.put_object, Bucket=bucket, Key=name + '/p', Body=b'x')
    same(iam.get_user_policy(UserName=name, PolicyName='own')['PolicyDocument']['Statement'], [reading])
    same(iam.list_user_policies(UserName=name)['PolicyNames'], ['own'])
    iam.delete_user_policy(UserName=name, PolicyName='own')
    fails('AccessDenied', user.get_object, Bucket=bucket, Key=name + '/o')
    arn = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    same(iam.list_attached_user_policies(UserName=name)['AttachedPolicies'][0]['PolicyArn'], arn)
    same(body(bucket, 'a/o', by=user), b'x')
    fails('AccessDenied', user.put_object, Bucket=bucket, Key='p', Body=b'x')
    fails('AccessDenied', by(key, 'iam').create_user, UserName='another')
    iam.update_access_key(UserName=name, AccessKeyId=key['AccessKeyId'], Status='Inactive')
    fails('InvalidAccessKeyId', user.list_buckets)
    fails('MalformedPolicyDocument', iam.put_user_policy, UserName=name, PolicyName='p', PolicyDocument='{}')


def test_denial_beats_permission():
    bucket = new_bucket()
    put(bucket, 'o')
    deny = {'Effect': 'Deny', 'Action': 's3:DeleteObject', 'Resource': '*'}
    both = json.dumps({'Version': '2012-10-17', 'Statement': [json.loads(full)['Statement'][0], deny]})
    _, key = new_user(both)
    same(body(bucket, 'o', by=by(key)), b'x')
    fails('AccessDenied', by(key).delete_object, Bucket=bucket, Key='o')


def test_roles():
    bucket = new_bucket()
    put(bucket, 'o')
    name = 'role-%d' % next(harness_numbers)
    trust = json.dumps({'Version': '2012-10-17', 'Statement': [
        {'Effect': 'Allow', 'Principal': {'AWS': 'arn:aws:iam::%s:root' % alt_id}, 'Action': 'sts:AssumeRole'}]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)['Role']
    iam.put_role_policy(RoleName=name, PolicyName='p', PolicyDocument=full)
    fails('AccessDenied', sts.assume_role, RoleArn=role['Arn'], RoleSessionName='me')
    theirs = client(os.environ['ALT_ACCESS_KEY'], os.environ['ALT_SECRET_KEY'], service='sts')
    taken = theirs.assume_role(RoleArn=role['Arn'], RoleSessionName='them')
    same(taken['AssumedRoleUser']['Arn'], 'arn:aws:sts::%s:assumed-role/%s/them' % (main_id, name))
    session = by(taken['Credentials'])
    same(body(bucket, 'o', by=session), b'x')
    put(bucket, 'p', by=session)
    same(by(taken['Credentials'], 'sts').get_caller_identity()['Arn'], taken['AssumedRoleUser']['Arn'])
    only = json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 's3:GetObject', 'Resource': '*'}]})
    narrow = by(theirs.assume_role(RoleArn=role['Arn'], RoleSessionName='them', Policy=only)['Credentials'])
    same(body(bucket, 'o', by=narrow), b'x')
    fails('AccessDenied', narrow.put_object, Bucket=bucket, Key='q', Body=b'x')
    iam.delete_role_policy(RoleName=name, PolicyName='p')
    iam.delete_role(RoleName=name)
    fails('AccessDenied', theirs.assume_role, RoleArn=role['Arn'], RoleSessionName='them')
    fails('InvalidToken', session.get_object, Bucket=bucket, Key='o')


def test_a_user_of_few_rights_gains_none_by_a_role():
    name = 'role-%d' % next(harness_numbers)
    trust = json.dumps({'Version': '2012-10-17', 'Statement': [
        {'Effect': 'Allow', 'Principal': {'AWS': 'arn:aws:iam::%s:root' % main_id}, 'Action': 'sts:AssumeRole'}]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)['Role']
    iam.put_role_policy(RoleName=name, PolicyName='p', PolicyDocument=full)
    user, key = new_user()
    assume = lambda: by(key, 'sts').assume_role(RoleArn=role['Arn'], RoleSessionName='me')
    fails('AccessDenied', assume)
    allowed = {'Effect': 'Allow', 'Action': 'sts:AssumeRole', 'Resource': role['Arn']}
    iam.put_user_policy(UserName=user, PolicyName='p', PolicyDocument=json.dumps({'Version': '2012-10-17', 'Statement': [allowed]}))
    by(assume()['Credentials']).list_buckets()


def test_actions_that_are_not_there():
    fails('InvalidAction', iam.list_groups)
    fails('AccessDenied', client(service='sts', signature_version=UNSIGNED).get_caller_identity)
