// Package source delivers policies and data to the engine.
package source
