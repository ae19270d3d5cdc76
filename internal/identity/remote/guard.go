package remote

import (
	"sync"

	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// Guard makes a Breaker before source the source that was made.
func Guard(m *sources.Made, source Source, site *sources.Site) {
	log := site.Named(source.Name())
	var mutex sync.Mutex
	state := ""
	set := func(text string) {
		mutex.Lock()
		defer mutex.Unlock()
		state = text
	}
	breaker := newBreaker(source, site.Metrics, BreakerOptions{
		OnOpen: func(err error) {
			set("identity source " + source.Name() + ": not asked until it is well again: " + err.Error())
			log.Error("an identity source is not asked until it is well again", zap.Error(err))
		},
		OnClose: func() {
			set("")
			log.Info("an identity source is well again")
		},
	})
	m.Source, m.Run = breaker, append(m.Run, breaker.Run)
	m.Status = append(m.Status, func() string {
		mutex.Lock()
		defer mutex.Unlock()
		return state
	})
}
