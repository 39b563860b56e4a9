"""Object stores (`s3://`, `gs://`, `az://`) by obstore, its only user.

In: an address such as `s3://bucket/photos`, and the environment variables that the stores' own tools read (AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME, ...). Out: listings and bytes.

What fails in passing (5xx, throttling, lost connections, timeouts) is tried again with growing pauses. What is left says
something of one object (`OSError`: it is gone) or of all of them (`InputError`, `OutputError`: credentials, bucket, network).
"""

from penult.objects.store import ObjectStore, StoredObject, fetch_ahead, join_url, open_store
from penult.texts import is_url

__all__ = ["ObjectStore", "StoredObject", "fetch_ahead", "is_url", "join_url", "open_store"]
