package chart_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/loadtest/chart"
	"github.com/verdict-dev/verdict/loadtest/report"
)

func point(x, y float64) report.Point {
	return report.Point{X: x, Y: report.NewFigure([]float64{y})}
}

func TestWrite(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "curves")
	curve := report.Curve{Name: "Time by size", X: "size", Unit: "µs", Series: []report.Series{
		{Name: "ours", Points: []report.Point{point(100, 3), point(1000, 4), point(100000, 0)}},
		{Name: "theirs", Points: []report.Point{point(100, 30), point(1000, 2000)}},
		{Name: "not measured"},
	}}
	if err := chart.Write(folder, curve); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "time-by-size.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for decoder := xml.NewDecoder(strings.NewReader(string(text))); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("no XML: %v", err)
		}
	}
	for _, want := range []string{"<svg", "Time by size", "ours", "theirs", "1,000"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in the picture", want)
		}
	}
	if strings.Contains(string(text), "not measured") {
		t.Error("a series without points is in the legend")
	}
}

func TestWriteNothing(t *testing.T) {
	if err := chart.Write(t.TempDir(), report.Curve{Name: "empty", Series: []report.Series{{Name: "x"}}}); err == nil {
		t.Error("a curve without points is drawn")
	}
}
