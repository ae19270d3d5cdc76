package lib.images_test

import data.lib.images

test_canonical if {
	every reference, want in {
		"nginx": "docker.io/library/nginx:latest",
		"nginx:1.25": "docker.io/library/nginx:1.25",
		"docker.io/nginx": "docker.io/library/nginx:latest",
		"index.docker.io/library/nginx": "docker.io/library/nginx:latest",
		"team/app:v2": "docker.io/team/app:v2",
		"quay.io/team/app": "quay.io/team/app:latest",
		"localhost/app": "localhost/app:latest",
		"localhost:5000/app": "localhost:5000/app:latest",
		"localhost:5000/app:v1": "localhost:5000/app:v1",
		"registry:5000/app": "registry:5000/app:latest",
		"nginx@sha256:aa": "docker.io/library/nginx@sha256:aa",
		"nginx:1.25@sha256:aa": "docker.io/library/nginx@sha256:aa",
		"registry:5000/app@sha256:aa": "registry:5000/app@sha256:aa",
	} {
		images.canonical(reference) == want
	}
}

test_names if {
	images.names("nginx") == {"docker.io/library/nginx:latest", "library/nginx:latest", "nginx:latest"}
	images.names("team/app:v2") == {"docker.io/team/app:v2", "team/app:v2"}
	images.names("quay.io/team/app") == {"quay.io/team/app:latest"}
}

test_odd_references if {
	every reference in ["", 7, null, ["nginx"], "a@b@c"] {
		not images.canonical(reference)
		images.names(reference) == set()
	}
}
