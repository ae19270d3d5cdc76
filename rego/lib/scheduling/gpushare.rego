# METADATA
# title: GPUs shared by memory
# description: |
#   Puts pods that request aliyun.com/gpu-mem on single GPUs of a node, and
#   writes the annotations of gpushare-scheduler-extender, which its device
#   plugin reads. Memory is in units of that plugin: GiB or MiB.
#
#   A pod holds the memory that it requests, which no user can change, on the GPU
#   in its annotation ALIYUN_COM_GPU_MEM_IDX. A pod with memory and without the
#   index of a GPU there could use any GPU: it counts on each.
package lib.scheduling.gpushare

import data.lib.integers
import data.lib.quantities
import data.lib.scheduling.requests

# METADATA
# title: GPU memory of a pod
# description: The amount of aliyun.com/gpu-mem that the v1 Pod requests, 0 for none.
wanted(pod) := requests.of(pod, "aliyun.com/gpu-mem")

# METADATA
# title: GPUs of a node
# description: |
#   The memory of each GPU, by index: the list in the annotation
#   verdict.dev/gpu-memory of the v1 Node, as in "24,24,80" (0 for a GPU that is
#   not to be used), else its allocatable aliyun.com/gpu-mem divided by
#   aliyun.com/gpu-count. Empty for a list that cannot be read, such as
#   "10GiB,20GiB".
# scope: document
default devices(_) := []

devices(node) := listed if {
	parts := split(node.metadata.annotations["verdict.dev/gpu-memory"], ",")
	listed := [memory |
		some part in parts
		memory := integers.parse(trim_space(part))
		memory >= 0
	]
	count(listed) == count(parts)
}

devices(node) := [each | some _ in numbers.range(1, number)] if {
	not node.metadata.annotations["verdict.dev/gpu-memory"]
	number := quantities.parse(node.status.allocatable["aliyun.com/gpu-count"])
	number == floor(number)
	number >= 1
	number <= 256
	each := floor(quantities.parse(node.status.allocatable["aliyun.com/gpu-mem"]) / number)
}

# METADATA
# title: Unreadable list of GPUs
# description: |
#   True when the v1 Node has an annotation verdict.dev/gpu-memory that is not a
#   list of whole numbers from 0 up. The node then counts as one without GPUs.
# scope: document
default unreadable(_) := false

unreadable(node) if {
	node.metadata.annotations["verdict.dev/gpu-memory"]
	count(devices(node)) == 0
}

# METADATA
# title: Largest GPU of a node
# description: The memory of the largest GPU of the v1 Node, 0 where it has none.
largest(node) := max(array.concat([0], devices(node)))

# METADATA
# title: Free GPU memory of a node
# description: |
#   The free memory of each GPU, by index, below 0 where pods have more than there
#   is. Takes the whole input; undefined without input.state.pods.
free(placement) := [left |
	some index, memory in gpus
	held := [amount | some pod in pods; pod.index == index; amount := pod.amount]
	left := memory - (sum(held) + anywhere)
] if {
	gpus := devices(placement.node)
	by_text := {format_int(index, 10): index | some index, _ in gpus}

	# -1 where a pod's GPU is not one of the node's.
	pods := [{"index": object.get(by_text, object.get(pod, ["annotations", "ALIYUN_COM_GPU_MEM_IDX"], ""), -1), "amount": amount} |
		some pod in placement.state.pods
		amount := pod.requests["aliyun.com/gpu-mem"]
		amount > 0
	]
	anywhere := sum([pod.amount | some pod in pods; pod.index == -1])
	is_array(placement.state.pods)
}

# METADATA
# title: GPU for a pod
# description: |
#   The index of the GPU with the least free memory that is enough, the first of
#   equal GPUs. Takes the whole input; undefined where no GPU has enough, where the
#   pod requests none, and without input.state.pods.
device(placement) := index if {
	memory := wanted(placement.pod)
	memory > 0
	[_, index] := min([[left, i] | some i, left in free(placement); left >= memory])
}

# METADATA
# title: Pod fits
# description: |
#   True when a GPU has room for the pod, or the pod requests none. Takes the whole
#   input. Without input.state.pods the node counts as empty.
# scope: document
default fits(_) := false

fits(placement) if wanted(placement.pod) == 0

fits(placement) if device(placement) >= 0

fits(placement) if {
	not placement.state.pods
	wanted(placement.pod) <= largest(placement.node)
}

# METADATA
# title: Why a pod can never fit
# description: |
#   The reason, as text, why no GPU of the node fits the pod even when empty: the
#   list of GPUs cannot be read, or all are too small. Takes the whole input;
#   undefined where one is large enough, or the pod requests none.
never(placement) := "node(s) with an invalid verdict.dev/gpu-memory: whole numbers are listed, such as 24,24,80" if {
	wanted(placement.pod) > 0
	unreadable(placement.node)
} else := "node(s) without a GPU of that size" if {
	wanted(placement.pod) > largest(placement.node)
}

# METADATA
# title: GPUs that are full
# description: |
#   True when a GPU of the node is large enough for the pod but none has enough free
#   memory. Takes the whole input; false without input.state.pods.
# scope: document
default full(_) := false

full(placement) if {
	not never(placement)
	not fits(placement)
}

# METADATA
# title: Filled GPU
# description: |
#   How much of the GPU that the pod would get is in use with it, from 0 to 1.
#   Takes the whole input; undefined where device is.
filled(placement) := (memory - left) / memory if {
	index := device(placement)
	memory := devices(placement.node)[index]
	left := free(placement)[index] - wanted(placement.pod)
}

# METADATA
# title: Annotations of a pod with GPU memory
# description: |
#   The annotations that tell the device plugin the pod's GPU. Takes the whole
#   input and the time in nanoseconds, time.now_ns(); undefined where device is.
annotations(placement, now) := {
	"ALIYUN_COM_GPU_MEM_IDX": format_int(index, 10),
	"ALIYUN_COM_GPU_MEM_DEV": format_int(devices(placement.node)[index], 10),
	"ALIYUN_COM_GPU_MEM_POD": format_int(wanted(placement.pod), 10),
	"ALIYUN_COM_GPU_MEM_ASSIGNED": "false",
	"ALIYUN_COM_GPU_MEM_ASSUME_TIME": format_int(now, 10),
} if {
	index := device(placement)
}
