"""Object stores (`s3://`, `gs://`, `az://`) by obstore, its only user."""
