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


def statement(*actions, resource='*', effect='Allow'):
    return json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': effect, 'Action': list(actions), 'Resource': resource}]})


def fresh(prefix):
    return '%s-%d' % (prefix, next(harness_numbers))


def test_groups_lend_their_policies():
    bucket = new_bucket()
    put(bucket, 'o')
    name, key = new_user()
    user = by(key)
    group = fresh('group')
    arn = iam.create_group(GroupName=group, Path='/teams/')['Group']['Arn']
    same(arn, 'arn:aws:iam::%s:group/teams/%s' % (main_id, group))
    fails('EntityAlreadyExists', iam.create_group, GroupName=group)
    iam.put_group_policy(GroupName=group, PolicyName='look', PolicyDocument=statement('s3:GetObject'))
    fails('AccessDenied', user.get_object, Bucket=bucket, Key='o')
    iam.add_user_to_group(GroupName=group, UserName=name)
    same(body(bucket, 'o', by=user), b'x')
    same([u['UserName'] for u in iam.get_group(GroupName=group)['Users']], [name])
    same([g['GroupName'] for g in iam.list_groups_for_user(UserName=name)['Groups']], [group])
    assert group in [g['GroupName'] for g in iam.list_groups(PathPrefix='/teams/')['Groups']]
    iam.attach_group_policy(GroupName=group, PolicyArn='arn:aws:iam::aws:policy/AmazonS3FullAccess')
    put(bucket, 'p', by=user)
    # A denial of the group's counts as well.
    iam.put_group_policy(GroupName=group, PolicyName='deny', PolicyDocument=statement('s3:PutObject', effect='Deny'))
    fails('AccessDenied', user.put_object, Bucket=bucket, Key='q', Body=b'x')
    fails('DeleteConflict', iam.delete_user, UserName=name)
    fails('DeleteConflict', iam.delete_group, GroupName=group)
    iam.delete_group_policy(GroupName=group, PolicyName='deny')
    iam.delete_group_policy(GroupName=group, PolicyName='look')
    iam.detach_group_policy(GroupName=group, PolicyArn='arn:aws:iam::aws:policy/AmazonS3FullAccess')
    fails('DeleteConflict', iam.delete_group, GroupName=group)
    iam.remove_user_from_group(GroupName=group, UserName=name)
    fails('NoSuchEntity', iam.remove_user_from_group, GroupName=group, UserName=name)
    iam.delete_group(GroupName=group)
    fails('NoSuchEntity', iam.get_group, GroupName=group)
    fails('AccessDenied', user.get_object, Bucket=bucket, Key='o')


def test_policies_of_ones_own():
    bucket = new_bucket()
    put(bucket, 'o')
    name, key = new_user()
    policy = fresh('policy')
    made = iam.create_policy(PolicyName=policy, PolicyDocument=statement('s3:GetObject'), Description='look')['Policy']
    arn = made['Arn']
    same((arn, made['DefaultVersionId'], made['AttachmentCount']), ('arn:aws:iam::%s:policy/%s' % (main_id, policy), 'v1', 0))
    fails('MalformedPolicyDocument', iam.create_policy, PolicyName='other', PolicyDocument='{}')
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    same(body(bucket, 'o', by=by(key)), b'x')
    same(iam.get_policy(PolicyArn=arn)['Policy']['AttachmentCount'], 1)
    same([u['UserName'] for u in iam.list_entities_for_policy(PolicyArn=arn)['PolicyUsers']], [name])
    assert arn in [p['Arn'] for p in iam.list_policies(Scope='Local', OnlyAttached=True)['Policies']]
    assert 'arn:aws:iam::aws:policy/AmazonS3FullAccess' in [p['Arn'] for p in iam.list_policies(Scope='AWS')['Policies']]
    second = iam.create_policy_version(PolicyArn=arn, PolicyDocument=statement('s3:PutObject'))['PolicyVersion']
    same((second['VersionId'], second['IsDefaultVersion']), ('v2', False))
    same(body(bucket, 'o', by=by(key)), b'x')
    iam.set_default_policy_version(PolicyArn=arn, VersionId='v2')
    fails('AccessDenied', by(key).get_object, Bucket=bucket, Key='o')
    put(bucket, 'p', by=by(key))
    same([v['VersionId'] for v in iam.list_policy_versions(PolicyArn=arn)['Versions']], ['v2', 'v1'])
    same(iam.get_policy_version(PolicyArn=arn, VersionId='v1')['PolicyVersion']['Document']['Statement'][0]['Action'], ['s3:GetObject'])
    fails('DeleteConflict', iam.delete_policy_version, PolicyArn=arn, VersionId='v2')
    fails('DeleteConflict', iam.delete_policy, PolicyArn=arn)
    iam.detach_user_policy(UserName=name, PolicyArn=arn)
    fails('NoSuchEntity', iam.detach_user_policy, UserName=name, PolicyArn=arn)
    fails('DeleteConflict', iam.delete_policy, PolicyArn=arn)
    iam.delete_policy_version(PolicyArn=arn, VersionId='v1')
    iam.delete_policy(PolicyArn=arn)
    fails('NoSuchEntity', iam.attach_user_policy, UserName=name, PolicyArn=arn)
    theirs = 'arn:aws:iam::%s:policy/x' % alt_id
    fails('NoSuchEntity', iam.get_policy, PolicyArn=theirs)


def test_users_look_after_their_own_keys():
    name, key = new_user(statement('iam:*AccessKey*', 'iam:GetUser', resource='arn:aws:iam::*:user/${aws:username}'))
    other, _ = new_user()
    mine = by(key, 'iam')
    same(mine.get_user()['User']['UserName'], name)
    second = mine.create_access_key()['AccessKey']
    same(second['UserName'], name)
    fails('LimitExceeded', mine.create_access_key)
    same(len(mine.list_access_keys()['AccessKeyMetadata']), 2)
    fails('AccessDenied', mine.list_access_keys, UserName=other)
    fails('AccessDenied', mine.create_access_key, UserName=other)
    by(second, 'iam').delete_access_key(AccessKeyId=key['AccessKeyId'])
    fails('InvalidClientTokenId', mine.get_user)
    fails('SignatureDoesNotMatch', by({**second, 'SecretAccessKey': 'x'}, 'iam').get_user)
    same(iam.get_access_key_last_used(AccessKeyId=second['AccessKeyId'])['UserName'], name)
    same(iam.get_user()['User']['Arn'], sts.get_caller_identity()['Arn'])


def test_users_and_roles_change():
    name, key = new_user(statement('s3:ListAllMyBuckets'))
    renamed = fresh('renamed')
    iam.update_user(UserName=name, NewUserName=renamed, NewPath='/staff/')
    fails('NoSuchEntity', iam.get_user, UserName=name)
    same(iam.get_user(UserName=renamed)['User']['Path'], '/staff/')
    by(key).list_buckets()
    same(by(key, 'sts').get_caller_identity()['Arn'].split('/')[-1], renamed)
    iam.tag_user(UserName=renamed, Tags=[{'Key': 'team', 'Value': 'red'}, {'Key': 'x', 'Value': ''}])
    iam.untag_user(UserName=renamed, TagKeys=['x'])
    same(iam.list_user_tags(UserName=renamed)['Tags'], [{'Key': 'team', 'Value': 'red'}])
    same(iam.get_user(UserName=renamed)['User']['Tags'], [{'Key': 'team', 'Value': 'red'}])
    role = fresh('role')
    trust = json.dumps({'Version': '2012-10-17', 'Statement': [
        {'Effect': 'Allow', 'Principal': {'AWS': '*'}, 'Action': 'sts:AssumeRole'}]})
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust, Tags=[{'Key': 'a', 'Value': 'b'}])
    iam.update_role(RoleName=role, Description='new', MaxSessionDuration=7200)
    found = iam.get_role(RoleName=role)['Role']
    same((found['Description'], found['MaxSessionDuration'], found['Tags']), ('new', 7200, [{'Key': 'a', 'Value': 'b'}]))
    iam.tag_role(RoleName=role, Tags=[{'Key': 'c', 'Value': 'd'}])
    same(len(iam.list_role_tags(RoleName=role)['Tags']), 2)
    same(iam.list_instance_profiles_for_role(RoleName=role)['InstanceProfiles'], [])
    iam.delete_role(RoleName=role)
    same(iam.list_account_aliases()['AccountAliases'], [])
    same(iam.list_mfa_devices(UserName=renamed)['MFADevices'], [])
    assert iam.get_account_summary()['SummaryMap']['Users'] >= 1
    fails('NoSuchEntity', iam.get_login_profile, UserName=renamed)


def test_policies_that_speak_of_other_services_too():
    bucket = new_bucket()
    put(bucket, 'o')
    name, key = new_user(statement('ec2:Describe*', 'kms:Decrypt', 's3:GetObject'))
    same(body(bucket, 'o', by=by(key)), b'x')
    fails('AccessDenied', by(key).put_object, Bucket=bucket, Key='p', Body=b'x')
    of_bucket = {'Effect': 'Allow', 'Principal': '*', 'Action': 'iam:GetUser', 'Resource': 'arn:aws:s3:::%s/*' % bucket}
    fails('MalformedPolicy', main.put_bucket_policy, Bucket=bucket, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [of_bucket]}))


def test_actions_that_are_not_there():
    fails('InvalidAction', iam.create_virtual_mfa_device, VirtualMFADeviceName='x')
    fails('AccessDenied', client(service='sts', signature_version=UNSIGNED).get_caller_identity)


def test_names_are_the_same_in_whatever_letters():
    made = fresh('Mixed')
    trust = statement_of_trust('*')
    for create, get, remove, word, more in (
            (iam.create_user, iam.get_user, iam.delete_user, 'User', {}),
            (iam.create_group, iam.get_group, iam.delete_group, 'Group', {}),
            (iam.create_role, iam.get_role, iam.delete_role, 'Role', {'AssumeRolePolicyDocument': trust})):
        key = word + 'Name'
        arn = create(**{key: made}, Path='/some/', **more)[word]['Arn']
        fails('EntityAlreadyExists', create, **{key: made.lower()}, **more)
        same(get(**{key: made.upper()})[word]['Arn'], arn)
        remove(**{key: made.lower()})
        fails('NoSuchEntity', get, **{key: made})
    names = [fresh(start) for start in ('aa', 'Ab', 'ac')]
    for name in reversed(names):
        iam.create_user(UserName=name, Path='/sorted/')
    for size in (1, 100):
        pages = iam.get_paginator('list_users').paginate(PathPrefix='/sorted/', PaginationConfig={'PageSize': size})
        same([user['UserName'] for page in pages for user in page['Users']], names)


def statement_of_trust(principal):
    return json.dumps({'Version': '2012-10-17', 'Statement': [
        {'Effect': 'Allow', 'Principal': {'AWS': principal}, 'Action': 'sts:AssumeRole'}]})


def test_groups_change_their_names():
    name, _ = new_user()
    group = fresh('group')
    made = iam.create_group(GroupName=group)['Group']
    iam.add_user_to_group(GroupName=group, UserName=name)
    iam.update_group(GroupName=group, NewGroupName=group + 'x', NewPath='/new/')
    fails('NoSuchEntity', iam.get_group, GroupName=group)
    found = iam.get_group(GroupName=group + 'x')
    same((found['Group']['GroupId'], found['Group']['Path']), (made['GroupId'], '/new/'))
    same([user['UserName'] for user in found['Users']], [name])
    same([each['GroupName'] for each in iam.list_groups_for_user(UserName=name)['Groups']], [group + 'x'])


def test_a_user_under_a_path_is_known_by_it():
    name = fresh('pathed')
    arn = iam.create_user(UserName=name, Path='/a/b/')['User']['Arn']
    key = iam.create_access_key(UserName=name)['AccessKey']
    bucket = new_bucket()
    fails('AccessDenied', by(key).list_objects, Bucket=bucket)
    allow = {'Effect': 'Allow', 'Principal': {'AWS': arn}, 'Action': 's3:ListBucket', 'Resource': 'arn:aws:s3:::' + bucket}
    main.put_bucket_policy(Bucket=bucket, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [allow]}))
    by(key).list_objects(Bucket=bucket)
    same(by(key, 'sts').get_caller_identity()['Arn'], arn)


def test_a_session_is_nobody_that_it_is_called_like():
    victim, _ = new_user()
    bucket = new_bucket()
    arn = iam.get_user(UserName=victim)['User']['Arn']
    allow = {'Effect': 'Allow', 'Principal': {'AWS': arn}, 'Action': 's3:ListBucket', 'Resource': 'arn:aws:s3:::' + bucket}
    main.put_bucket_policy(Bucket=bucket, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [allow]}))
    user, key = new_user()
    role = iam.create_role(RoleName=fresh('role'), AssumeRolePolicyDocument=statement_of_trust(
        iam.get_user(UserName=user)['User']['Arn']))['Role']
    # A role that names the user itself lets it in without a policy of the user's own.
    session = by(key, 'sts').assume_role(RoleArn=role['Arn'], RoleSessionName=victim)['Credentials']
    fails('AccessDenied', by(session).list_objects, Bucket=bucket)
    homes = statement('s3:PutObject', resource='arn:aws:s3:::%s/${aws:username}/*' % bucket)
    iam.put_role_policy(RoleName=role['RoleName'], PolicyName='homes', PolicyDocument=homes)
    fails('AccessDenied', by(session).put_object, Bucket=bucket, Key=victim + '/o')
    keys = statement('iam:CreateAccessKey')
    iam.put_role_policy(RoleName=role['RoleName'], PolicyName='keys', PolicyDocument=keys)
    fails('ValidationError', by(session, 'iam').create_access_key)


def test_statements_have_names_of_their_own():
    twice = {'Sid': 'a', 'Effect': 'Allow', 'Action': '*', 'Resource': '*'}
    name, _ = new_user()
    document = json.dumps({'Version': '2012-10-17', 'Statement': [twice, twice]})
    fails('MalformedPolicyDocument', iam.put_user_policy, UserName=name, PolicyName='p', PolicyDocument=document)


def test_a_session_is_held_by_its_policy_where_there_is_no_bucket():
    role = iam.create_role(RoleName=fresh('role'), AssumeRolePolicyDocument=statement_of_trust('*'))['Role']
    iam.put_role_policy(RoleName=role['RoleName'], PolicyName='p', PolicyDocument=full)
    assume = lambda policy: by(sts.assume_role(RoleArn=role['Arn'], RoleSessionName='me', Policy=policy)['Credentials'])
    few = assume(statement('s3:GetObject'))
    fails('AccessDenied', few.list_buckets)
    fails('AccessDenied', few.create_bucket, Bucket=fresh('few'))
    assume(full).list_buckets()


def test_buckets_are_made_by_the_names_that_a_policy_allows():
    name, key = new_user(statement('s3:CreateBucket', resource='arn:aws:s3:::team-*'))
    by(key).create_bucket(Bucket=fresh('team'))
    fails('AccessDenied', by(key).create_bucket, Bucket=fresh('other'))
