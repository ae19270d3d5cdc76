package lib.scheduling.gpushare_test

import data.lib.scheduling.gpushare

_pod(memory) := {"spec": {"containers": [{"resources": {"requests": {"aliyun.com/gpu-mem": memory}}}]}}

# Two GPUs of 16.
_node := {"status": {"allocatable": {"aliyun.com/gpu-count": "2", "aliyun.com/gpu-mem": "32"}}}

_running(index, memory) := {
	"requests": {"aliyun.com/gpu-mem": memory},
	"annotations": {"ALIYUN_COM_GPU_MEM_IDX": index},
}

_placement(memory, pods) := {"pod": _pod(memory), "node": _node, "state": {"pods": pods}}

test_devices if {
	gpushare.devices(_node) == [16, 16]
	gpushare.devices({"status": {"allocatable": {"aliyun.com/gpu-count": "3", "aliyun.com/gpu-mem": "32"}}}) == [10, 10, 10]
	every list, want in {"24,24, 80": [24, 24, 80], "16,0": [16, 0], "": [], "16,": [], "16,-1": [], "many": []} {
		gpushare.devices(object.union(_node, {"metadata": {"annotations": {"verdict.dev/gpu-memory": list}}})) == want
	}
}

test_odd_allocatable_is_no_device if {
	every count_ in ["0", "-1", "0.5", "1e9", "two"] {
		gpushare.devices({"status": {"allocatable": {"aliyun.com/gpu-count": count_, "aliyun.com/gpu-mem": "32"}}}) == []
	}
	gpushare.devices({}) == []
	gpushare.largest({}) == 0
}

# What is broken is not allocatable.
test_capacity_is_not_read if {
	node := {"status": {
		"capacity": {"aliyun.com/gpu-count": "2", "aliyun.com/gpu-mem": "32"},
		"allocatable": {"aliyun.com/gpu-count": "1", "aliyun.com/gpu-mem": "16"},
	}}
	gpushare.devices(node) == [16]
	gpushare.devices({"status": {"capacity": node.status.capacity}}) == []
}

_listing(list) := object.union(_node, {"metadata": {"annotations": {"verdict.dev/gpu-memory": list}}})

test_unreadable_lists if {
	every list in ["10GiB,20GiB", "24Gi", "16,", "16;16", "many", "", "-1", "16.5"] {
		gpushare.unreadable(_listing(list))
		contains(gpushare.never({"pod": _pod("1"), "node": _listing(list)}), "invalid verdict.dev/gpu-memory")
		not gpushare.full({"pod": _pod("1"), "node": _listing(list), "state": {"pods": []}})
		not gpushare.never({"pod": {}, "node": _listing(list)})
	}
	every list in ["0", "16", "16, 0"] {
		gpushare.unreadable(_listing(list)) == false
	}
	gpushare.unreadable({}) == false
}

test_one_reason if {
	gpushare.never(_placement("17", [])) == "node(s) without a GPU of that size"
	gpushare.full(_placement("17", [])) == false
	not gpushare.never(_placement("16", [_running("0", 1), _running("1", 1)]))
	gpushare.full(_placement("16", [_running("0", 1), _running("1", 1)]))
	not gpushare.never(_placement("16", []))
	gpushare.full(_placement("16", [])) == false
}

test_largest if gpushare.largest({"metadata": {"annotations": {"verdict.dev/gpu-memory": "24,80,16"}}}) == 80

test_free if gpushare.free(_placement("1", [_running("0", 6), _running("0", 6), _running("1", 3), {"requests": {}}])) == [4, 13]

test_the_fullest_device_with_room if {
	pods := [_running("0", 3), _running("1", 6)]
	gpushare.device(_placement("10", pods)) == 1
	gpushare.device(_placement("11", pods)) == 0
	not gpushare.device(_placement("14", pods))
}

test_the_first_of_equal_devices if gpushare.device(_placement("1", [])) == 0

test_equal_pods_are_added if not gpushare.device(_placement("5", [_running("0", 6), _running("0", 6), _running("1", 6), _running("1", 6)]))

test_a_pod_on_an_unknown_device_counts_on_each if {
	every index in ["", "x", "-1", "2", "1.5"] {
		gpushare.free(_placement("1", [_running(index, 6)])) == [10, 10]
	}
	gpushare.free(_placement("1", [{"requests": {"aliyun.com/gpu-mem": 6}}])) == [10, 10]
}

test_fits if {
	gpushare.fits(_placement("16", []))
	gpushare.fits(_placement("16", [_running("0", 16)]))
	gpushare.fits(_placement("17", [])) == false
	gpushare.fits(_placement("16", [_running("0", 1), _running("1", 1)])) == false
}

test_a_pod_without_gpu_memory_fits_anywhere if {
	gpushare.fits({"pod": {}, "node": {}})
	gpushare.fits({"pod": {}, "node": _node, "state": {"pods": [_running("", 16)]}})
	not gpushare.device(_placement("0", []))
}

test_an_unknown_node_counts_as_empty if {
	gpushare.fits({"pod": _pod("16"), "node": _node})
	gpushare.fits({"pod": _pod("17"), "node": _node}) == false
	not gpushare.device({"pod": _pod("16"), "node": _node})
	not gpushare.free({"pod": _pod("16"), "node": _node})
}

test_filled if {
	gpushare.filled(_placement("4", [_running("0", 8)])) == 0.75
	not gpushare.filled(_placement("17", []))
}

test_annotations if {
	gpushare.annotations(_placement("4", [_running("0", 14)]), 1772366400000000000) == {
		"ALIYUN_COM_GPU_MEM_IDX": "1",
		"ALIYUN_COM_GPU_MEM_DEV": "16",
		"ALIYUN_COM_GPU_MEM_POD": "4",
		"ALIYUN_COM_GPU_MEM_ASSIGNED": "false",
		"ALIYUN_COM_GPU_MEM_ASSUME_TIME": "1772366400000000000",
	}
	not gpushare.annotations(_placement("0", []), 1)
}
