"""Images through openstacksdk and python-glanceclient; prints `all good` at the end."""
import io
import os
import time
import warnings

warnings.simplefilter('ignore')

import glanceclient
import openstack
from keystoneauth1 import loading, session

folder, web = os.environ['FOLDER'], os.environ['WEB']
raw = open(folder + '/disk.raw', 'rb').read()
qcow2 = open(folder + '/disk.qcow2', 'rb').read()

cloud = openstack.connect(
    auth_url=os.environ['OS_AUTH_URL'], username=os.environ['OS_USERNAME'], password=os.environ['OS_PASSWORD'],
    project_name=os.environ['OS_PROJECT_NAME'], user_domain_name='Default', project_domain_name='Default')
images = cloud.image


def settled(id):
    for _ in range(200):
        image = images.get('/images/' + id).json()
        if image['status'] not in ('importing', 'saving'):
            return image
        time.sleep(0.1)
    raise SystemExit('still ' + image['status'])


# openstacksdk: upload with checksums, find, update, download in pieces, members, tags, tasks, stores.
made = cloud.create_image('sdk', filename=folder + '/disk.qcow2', disk_format='qcow2', container_format='bare', wait=True, os_type='linux')
assert made.status == 'active', made
assert images.find_image('sdk').id == made.id
assert images.download_image(made.id).content == qcow2
part = images.get('/images/%s/file' % made.id, headers={'Range': 'bytes=4-7'})
assert (part.status_code, part.content, part.headers['Content-Range']) == (206, qcow2[4:8], 'bytes 4-7/%d' % len(qcow2))
assert images.update_image(made, name='sdk2', os_type='other').name == 'sdk2'
images.deactivate_image(made)
images.reactivate_image(made)
images.add_tag(made, 'x')
assert 'x' in images.get_image(made.id).tags
images.remove_tag(made, 'x')
assert [store.id for store in images.stores()] == ['pileus']
# get_import_info of this release asks for an id that does not exist.
assert set(images.get('/info/import').json()['import-methods']['value']) >= {'glance-direct', 'web-download'}
assert images.get_images_schema().name == 'images'
assert images.get_image_schema().properties['disk_format']
same = images.create_image(name='sdk3', disk_format='qcow2', container_format='bare', data=qcow2, validate_checksum=True)
assert same.checksum == images.get_image(made.id).checksum
names = {image.name for image in images.images(sort='name:asc', limit=2)}
assert {'sdk2', 'sdk3'} <= names, names

# The interoperable import: staged, from the web, and what is refused.
staged = images.create_image(name='staged', disk_format='raw', container_format='bare')
images.stage_image(staged, data=raw)
assert images.get_image(staged.id).status == 'uploading'
images.import_image(staged, method='glance-direct')
done = settled(staged.id)
assert (done['status'], done['size']) == ('active', len(raw)), done
fetched = images.create_image(name='fetched', disk_format='qcow2', container_format='bare')
images.import_image(fetched, method='web-download', uri=web + '/disk.qcow2')
done = settled(fetched.id)
assert (done['status'], done['size'], done['virtual_size']) == ('active', len(qcow2), len(raw)), done
tasks = images.get('/images/%s/tasks' % fetched.id).json()['tasks']
assert [(task['type'], task['status']) for task in tasks] == [('api_image_import', 'success')], tasks
for uri, why in [('/none', 'answered 404'), ('/inside', 'does not pass filtering')]:
    lost = images.create_image(name='lost', disk_format='qcow2', container_format='bare')
    images.import_image(lost, method='web-download', uri=web + uri)
    done = settled(lost.id)
    assert done['status'] == 'queued' and why in done['os_glance_failed_reason'], done
    images.delete_image(lost)
for uri in ['http://169.254.169.254/latest', 'http://10.0.0.1/x', 'file:///etc/passwd', 'http://[::1]/x', 'http://localhost:22/x', 'http://user:word@example.org/x']:
    answer = images.post('/images/%s/import' % images.post('/images', json={'name': 'ssrf', 'disk_format': 'raw', 'container_format': 'bare'}).json()['id'],
                         json={'method': {'name': 'web-download', 'uri': uri}})
    assert answer.status_code == 400, (uri, answer.status_code)

# python-glanceclient.
auth = loading.get_plugin_loader('password').load_from_options(
    auth_url=os.environ['OS_AUTH_URL'], username=os.environ['OS_USERNAME'], password=os.environ['OS_PASSWORD'],
    project_name=os.environ['OS_PROJECT_NAME'], user_domain_name='Default', project_domain_name='Default')
glance = glanceclient.Client('2', session=session.Session(auth=auth))
image = glance.images.create(name='gc', disk_format='raw', container_format='bare', hw_disk_bus='virtio')
glance.images.upload(image.id, io.BytesIO(raw))
assert b''.join(glance.images.data(image.id)) == raw
glance.images.update(image.id, remove_props=['hw_disk_bus'], name='gc2')
assert 'hw_disk_bus' not in glance.images.get(image.id)
glance.image_tags.update(image.id, 'blue')
glance.image_tags.delete(image.id, 'blue')
member = glance.image_members.create(image.id, 'some-project')
assert member['status'] == 'pending'
assert [one['member_id'] for one in glance.image_members.list(image.id)] == ['some-project']
glance.image_members.update(image.id, 'some-project', 'accepted')
glance.image_members.delete(image.id, 'some-project')
glance.images.deactivate(image.id)
glance.images.reactivate(image.id)
assert glance.info.get_usage()['image_count_total']['usage'] > 3
# Images made of objects by their location have left tasks of their own kind.
assert {task['type'] for task in glance.tasks.list()} - {'location_import'} == {'api_image_import'}
assert any(one['name'] == 'gc2' for one in glance.images.list(filters={'name': 'gc2'}))
glance.images.delete(image.id)

for image in list(images.images()):
    images.delete_image(image)
assert [image.name for image in images.images()] == []
print('all good')
