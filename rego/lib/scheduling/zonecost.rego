# METADATA
# title: Cost of zones
# description: Points for zones by prices, or by any other number in data.
package lib.scheduling.zonecost

# METADATA
# title: Zone of a node
# description: |
#   The zone of the v1 Node, by its label topology.kubernetes.io/zone. Undefined
#   without the label.
zone(node) := node.metadata.labels["topology.kubernetes.io/zone"]

# METADATA
# title: Points for a zone
# description: |
#   10 for the cheapest zone of an object of costs by zone, 0 for the most expensive
#   zone, in proportion between; 10 where all cost the same. Undefined for a zone
#   without a cost that is a number.
# scope: document
points(costs, in_zone) := (10 * (max(_numbers(costs)) - cost)) / _range(costs) if {
	cost := costs[in_zone]
	is_number(cost)
	_range(costs) > 0
}

points(costs, in_zone) := 10 if {
	is_number(costs[in_zone])
	_range(costs) == 0
}

_range(costs) := max(_numbers(costs)) - min(_numbers(costs))

_numbers(costs) := {cost |
	some _, cost in costs
	is_number(cost)
}
