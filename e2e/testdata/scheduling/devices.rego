# METADATA
# title: Devices
# description: Pods share the memory of devices, and never get more of one than it has.
package kubernetes.scheduling

wanted := to_number(input.pod.metadata.annotations["example.com/gpu-memory"])

devices := to_number(input.node.metadata.annotations["example.com/gpus"])

memory := to_number(input.node.metadata.annotations["example.com/memory-of-a-gpu"])

used[device] := sum(taken) if {
	some number in numbers.range(0, devices - 1)
	device := format_int(number, 10)
	taken := [amount |
		some pod in input.state.pods
		pod.annotations["example.com/gpu"] == device
		amount := to_number(pod.annotations["example.com/gpu-memory"])
	]
}

fitting contains device if {
	input.state
	some device, taken in used
	taken + wanted <= memory
}

full := "no device has enough memory left"

reject contains full if count(fitting) == 0

deny contains full if count(fitting) == 0

# The fullest device that has room, so that large requests find some.
annotate["example.com/gpu"] := device if {
	[_, device] := max({[used[device], device] | some device in fitting})
}
