# METADATA
# title: Images
# description: |
#   Names of container images in one spelling, so that `nginx` of a pod and
#   `docker.io/library/nginx:latest` of a node are the same image.
package lib.images

# METADATA
# title: Canonical image name
# description: |
#   The reference with registry, path and tag written out, or the digest in
#   place of the tag where there is one: docker.io/library/nginx:latest,
#   quay.io/team/app@sha256:…. Undefined unless it is a non-empty string.
# scope: document
canonical(reference) := name if {
	is_string(reference)
	reference != ""
	contains(reference, "@")
	[tagged, digest] := split(reference, "@")
	name := concat("@", [_repository(_untagged(tagged)), digest])
}

canonical(reference) := name if {
	is_string(reference)
	reference != ""
	not contains(reference, "@")
	untagged := _untagged(reference)
	name := concat("", [_repository(untagged), _tag(trim_prefix(reference, untagged))])
}

# METADATA
# title: Names of an image on a node
# description: |
#   The names under which a node's status.images may list the image: the
#   canonical name, and Docker's short form without docker.io. Empty unless it is
#   a non-empty string.
names(reference) := {name |
	full := canonical(reference)
	some prefix in ["", "docker.io/", "docker.io/library/"]
	name := trim_prefix(full, prefix)
	canonical(name) == full
}

_tag("") := ":latest"

_tag(tag) := tag if tag != ""

# _untagged removes the tag: the text after a colon behind the last slash. A
# colon before the last slash belongs to the registry's port.
_untagged(reference) := regex.replace(reference, `:[^/:]*$`, "")

_repository(path) := concat("/", ["docker.io", _official(path)]) if not _has_registry(path)

_repository(path) := path if {
	_has_registry(path)
	not _docker_hub(path)
}

_repository(path) := concat("/", ["docker.io", _official(rest)]) if {
	_docker_hub(path)
	rest := substring(path, indexof(path, "/") + 1, -1)
}

# Images of Docker Hub with one word for a name are in `library`.
_official(path) := path if contains(path, "/")

_official(path) := concat("/", ["library", path]) if not contains(path, "/")

_has_registry(path) if regex.match(`^([^/]*[.:A-Z][^/]*|localhost)/`, path)

_docker_hub(path) if regex.match(`^(index\.)?docker\.io/`, path)
