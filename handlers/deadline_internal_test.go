package handlers

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type deadlineKey struct{}

func TestDeadline(t *testing.T) {
	const wait = time.Minute
	ended := func(ctx context.Context) bool {
		select {
		case <-ctx.Done():
			return true
		default:
			return false
		}
	}
	for name, test := range map[string]func(t *testing.T, d *deadline, leave context.CancelFunc){
		"says when it ends": func(t *testing.T, d *deadline, _ context.CancelFunc) {
			if at, ok := d.Deadline(); !ok || !at.Equal(time.Now().Add(wait)) {
				t.Errorf("ends at %s, %t", at, ok)
			}
		},
		"has the values of the request": func(t *testing.T, d *deadline, _ context.CancelFunc) {
			for range 2 {
				if d.Value(deadlineKey{}) != "value" {
					t.Error("the value is lost")
				}
				d.Done()
			}
		},
		"ends by the clock, nobody waiting": func(t *testing.T, d *deadline, _ context.CancelFunc) {
			time.Sleep(wait - 1)
			if err := d.Err(); err != nil {
				t.Errorf("just before: %v", err)
			}
			time.Sleep(time.Nanosecond)
			if err := d.Err(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got error %v", err)
			}
			if !ended(d) {
				t.Error("who asks for Done after the end waits")
			}
		},
		"ends by the clock, somebody waiting": func(t *testing.T, d *deadline, _ context.CancelFunc) {
			began := time.Now()
			<-d.Done()
			if took := time.Since(began); took != wait {
				t.Errorf("ended after %s, want %s", took, wait)
			}
			if err := d.Err(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got error %v", err)
			}
		},
		"ends when the caller has gone": func(t *testing.T, d *deadline, leave context.CancelFunc) {
			leave()
			if err := d.Err(); !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v", err)
			}
			if !ended(d) {
				t.Error("who asks for Done afterwards waits")
			}
		},
		"ends when the caller goes while somebody waits": func(t *testing.T, d *deadline, leave context.CancelFunc) {
			began := time.Now()
			time.AfterFunc(time.Second, leave)
			<-d.Done()
			if took := time.Since(began); took != time.Second {
				t.Errorf("ended after %s, want a second", took)
			}
			if err := d.Err(); !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v", err)
			}
		},
		"is waited for by one channel": func(t *testing.T, d *deadline, _ context.CancelFunc) {
			if first, second := d.Done(), d.Done(); first != second {
				t.Error("there are two")
			}
		},
		"ends what is made of it": func(t *testing.T, d *deadline, _ context.CancelFunc) {
			child, cancel := context.WithCancel(d)
			defer cancel()
			called := make(chan struct{})
			stop := context.AfterFunc(d, func() { close(called) })
			defer stop()
			<-child.Done()
			<-called
			if !errors.Is(child.Err(), context.DeadlineExceeded) {
				t.Errorf("got error %v", child.Err())
			}
		},
		"leaves nothing when released": func(t *testing.T, d *deadline, _ context.CancelFunc) {
			child, cancel := context.WithCancel(d)
			defer cancel()
			d.release()
			if !ended(child) || !ended(d) {
				t.Error("something waits for what was released")
			}
		},
		"may be released unused": func(_ *testing.T, d *deadline, _ context.CancelFunc) { d.release() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				request, leave := context.WithCancel(context.WithValue(t.Context(), deadlineKey{}, "value"))
				defer leave()
				d := &deadline{Context: request, at: time.Now().Add(wait)}
				defer d.release()
				test(t, d, leave)
			})
		})
	}
}
