"""A day with boto3 and its defaults (trailing checksums among them), against $S3_ENDPOINT. Fails by assertion."""
import io
import os
import urllib.error
import urllib.request

import boto3
from botocore.client import Config
from botocore.exceptions import ClientError

s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"], config=Config(signature_version="s3v4"))
bucket = "boto3-bucket"


def code(call, **arguments):
    try:
        call(**arguments)
        return None
    except ClientError as error:
        return error.response["Error"]["Code"]


s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
assert bucket in [one["Name"] for one in s3.list_buckets()["Buckets"]]
assert code(s3.create_bucket, Bucket=bucket) == "BucketAlreadyOwnedByYou"
assert code(s3.head_bucket, Bucket="no-such-bucket") == "404"

odd = "a b/+%&=~/ü😀//..\"<'>"
put = s3.put_object(Bucket=bucket, Key=odd, Body=b"hello", Metadata={"k": "v"}, ContentType="text/x")
assert put["ChecksumCRC32"], put
got = s3.get_object(Bucket=bucket, Key=odd)
assert got["Body"].read() == b"hello" and got["Metadata"] == {"k": "v"} and got["ContentType"] == "text/x"
assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [odd]
assert code(s3.put_object, Bucket=bucket, Key=odd, Body=b"x", IfNoneMatch="*") == "PreconditionFailed"
assert code(s3.get_object, Bucket=bucket, Key=odd, IfNoneMatch=put["ETag"]) == "304"
assert code(s3.get_object, Bucket=bucket, Key="none") == "NoSuchKey"
assert s3.get_object(Bucket=bucket, Key=odd, Range="bytes=1-3")["Body"].read() == b"ell"

for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]:
    try:
        s3.put_object(Bucket=bucket, Key="sum", Body=b"hello" * 1000, ChecksumAlgorithm=algorithm)
    except Exception as error:
        # Some algorithms need an optional package on the client's side.
        assert "awscrt" in str(error).lower() or "crt" in str(error).lower(), error
        continue
    got = s3.get_object(Bucket=bucket, Key="sum", ChecksumMode="ENABLED")
    assert got["Checksum" + algorithm] and len(got["Body"].read()) == 5000

body = os.urandom(18_000_000)
s3.upload_fileobj(io.BytesIO(body), bucket, "large")
out = io.BytesIO()
s3.download_fileobj(bucket, "large", out)
assert out.getvalue() == body
head = s3.head_object(Bucket=bucket, Key="large", PartNumber=3)
assert head["PartsCount"] == 3 and head["ContentLength"] == 18_000_000 - 2 * 8_388_608, head
s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "large copy")
assert s3.get_object(Bucket=bucket, Key="large copy")["Body"].read() == body
attributes = s3.get_object_attributes(Bucket=bucket, Key="large", ObjectAttributes=["ETag", "ObjectSize", "ObjectParts"])
assert attributes["ObjectSize"] == len(body) and attributes["ObjectParts"]["TotalPartsCount"] == 3, attributes

for at in range(12):
    s3.put_object(Bucket=bucket, Key=f"page/{at % 3}/{at}", Body=b"x")
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="page/", PaginationConfig={"PageSize": 5})
assert sum(len(page["Contents"]) for page in pages) == 12
folders = s3.list_objects(Bucket=bucket, Prefix="page/", Delimiter="/")["CommonPrefixes"]
assert [one["Prefix"] for one in folders] == ["page/0/", "page/1/", "page/2/"]

put_url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "by url"}, ExpiresIn=60)
urllib.request.urlopen(urllib.request.Request(put_url, data=b"by url", method="PUT", headers={"Content-Type": ""}))
get_url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "by url"}, ExpiresIn=60)
assert urllib.request.urlopen(get_url).read() == b"by url"
try:
    urllib.request.urlopen(get_url.replace("by%20url", "large"))
    raise AssertionError("a presigned URL opened another object")
except urllib.error.HTTPError as error:
    assert error.code == 403

# Without a signature version said, boto3 presigns with version 2 for this region.
old = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"])
params = {"Bucket": bucket, "Key": "by old url ü+", "Metadata": {"k": "v"}}
put_url = old.generate_presigned_url("put_object", Params=params, ExpiresIn=60)
assert "AWSAccessKeyId=" in put_url, put_url
urllib.request.urlopen(urllib.request.Request(put_url, data=b"old", method="PUT", headers={"Content-Type": ""}))
params = {"Bucket": bucket, "Key": "by old url ü+", "ResponseContentType": "text/y; a=b"}
get_url = old.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
answer = urllib.request.urlopen(get_url)
assert answer.read() == b"old" and answer.headers["x-amz-meta-k"] == "v", answer.headers
assert answer.headers["Content-Type"] == "text/y; a=b"
for changed in [get_url.replace("Signature=", "Signature=x"), get_url.replace("old", "new"), get_url + "&acl", get_url.replace("Expires=1", "Expires=2")]:
    try:
        urllib.request.urlopen(changed)
        raise AssertionError(f"a changed URL was served: {changed}")
    except urllib.error.HTTPError as error:
        assert error.code == 403, (error.code, changed)

upload = s3.create_multipart_upload(Bucket=bucket, Key="left")["UploadId"]
assert [one["UploadId"] for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
s3.abort_multipart_upload(Bucket=bucket, Key="left", UploadId=upload)

assert code(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"
assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
assert code(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
keys = [{"Key": one["Key"]} for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})["Deleted"]) == len(keys)
s3.delete_bucket(Bucket=bucket)
print("tour done")
