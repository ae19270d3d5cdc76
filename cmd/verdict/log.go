package main

import (
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/verdict-dev/verdict/internal/config"
)

// newLogger logs to standard error.
func newLogger(c config.Log) (*zap.Logger, error) {
	level, err := zap.ParseAtomicLevel(string(c.Level))
	if err != nil {
		return nil, err
	}
	format := c.Format
	if format == config.LogFormatAuto {
		format = config.LogFormatJSON
		if term.IsTerminal(int(os.Stderr.Fd())) {
			format = config.LogFormatConsole
		}
	}
	zc := zap.NewProductionConfig()
	zc.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	zc.EncoderConfig.TimeKey = "time"
	zc.EncoderConfig.EncodeDuration = zapcore.StringDurationEncoder
	zc.DisableStacktrace = true
	zc.Level = level
	if format == config.LogFormatConsole {
		zc.Encoding = "console"
		zc.EncoderConfig.EncodeLevel = zapcore.CapitalLevelEncoder
		zc.EncoderConfig.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		zc.DisableCaller = true
	}
	return zc.Build()
}
