package main

import (
	"testing"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/internal/config"
)

// TestAnswersOfConfigurationAndHandlers holds the values of two types that package
// config and package handlers both declare to each other.
func TestAnswersOfConfigurationAndHandlers(t *testing.T) {
	for of, want := range map[config.OnError]handlers.OnError{
		config.OnErrorDeny:      handlers.OnErrorDeny,
		config.OnErrorNoOpinion: handlers.OnErrorNoOpinion,
	} {
		if got := handlers.OnError(of); got != want {
			t.Errorf("authorization.onError: %s is %s to the handlers, want %s", of, got, want)
		}
	}
	for of, want := range map[config.OnUnavailable]handlers.OnUnavailable{
		config.OnUnavailableUnavailable: handlers.OnUnavailable503,
		config.OnUnavailableDeny:        handlers.OnUnavailableDeny,
	} {
		if got := handlers.OnUnavailable(of); got != want {
			t.Errorf("authorization.onUnavailable: %s is %s to the handlers, want %s", of, got, want)
		}
	}
}
