package nodes

import "sync/atomic"

// slotsPerProfile is how many rules of a profile have classes of nodes: each has a slot,
// those of the default profile first.
const slotsPerProfile = 6

// classMemo remembers a class for each rule, by its slot. A class that is overwritten
// is computed again.
type classMemo struct {
	// first are those of the default profile, which are looked up for thousands
	// of nodes in a call.
	first [slotsPerProfile]atomic.Pointer[Class]
	more  atomic.Pointer[[]atomic.Pointer[Class]]
}

func (m *classMemo) get(slot int) *Class {
	if slot < slotsPerProfile {
		return m.first[slot].Load()
	}
	more := m.more.Load()
	if more == nil || slot-slotsPerProfile >= len(*more) {
		return nil
	}
	return (*more)[slot-slotsPerProfile].Load()
}

func (m *classMemo) set(slot int, class *Class) {
	if slot < slotsPerProfile {
		m.first[slot].Store(class)
		return
	}
	at := slot - slotsPerProfile
	more := m.more.Load()
	if more == nil || at >= len(*more) {
		larger := make([]atomic.Pointer[Class], (at/slotsPerProfile+1)*slotsPerProfile)
		if more != nil {
			for i := range *more {
				larger[i].Store((*more)[i].Load())
			}
		}
		if !m.more.CompareAndSwap(more, &larger) {
			m.set(slot, class)
			return
		}
		more = &larger
	}
	(*more)[at].Store(class)
}
