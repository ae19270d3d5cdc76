// Package chart draws a report's curves as SVG.
package chart

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/verdict-dev/verdict/loadtest/report"
)

const (
	width, height = 16 * vg.Centimeter, 10 * vg.Centimeter
	margin        = 10 // points
)

// colours tell the series apart, for the colour-blind too (Okabe and Ito).
var colours = []color.Color{
	color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff},
	color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff},
	color.RGBA{R: 0x00, G: 0x9e, B: 0x73, A: 0xff},
	color.RGBA{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff},
}

// shapes likewise, in black and white.
var shapes = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}}

// Write draws curve to a file of its name in folder.
func Write(folder string, curve report.Curve) error {
	p, err := drawn(curve)
	if err != nil {
		return fmt.Errorf("drawing %s: %w", curve.Name, err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("drawing %s: %w", curve.Name, err)
	}
	canvas := vgsvg.New(width, height)
	p.Draw(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
	file, err := os.Create(filepath.Join(folder, curve.File()))
	if err != nil {
		return fmt.Errorf("drawing %s: %w", curve.Name, err)
	}
	defer file.Close()
	if _, err := canvas.WriteTo(file); err != nil {
		return fmt.Errorf("drawing %s: %w", curve.Name, err)
	}
	return nil
}

// drawn is the plot: both axes are logarithmic, so that a straight line at 45°
// is what grows in proportion, and a level one what does not grow.
func drawn(curve report.Curve) (*plot.Plot, error) {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text = curve.Name
	p.Title.Padding = vg.Points(6)
	p.X.Label.Text, p.Y.Label.Text = curve.X, curve.Unit
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Scale, axis.Tick.Marker = plot.LogScale{}, ticks{}
		axis.Padding = vg.Points(4)
	}
	p.Add(plotter.NewGrid())
	lowest, highest := math.Inf(1), math.Inf(-1)
	for i, series := range curve.Series {
		points := make(plotter.XYs, 0, len(series.Points))
		for _, point := range series.Points {
			if point.Y.Median > 0 { // the others were not measured
				points = append(points, plotter.XY{X: point.X, Y: point.Y.Median})
				lowest, highest = min(lowest, point.Y.Median), max(highest, point.Y.Median)
			}
		}
		if len(points) == 0 {
			continue
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, fmt.Errorf("series %s: %w", series.Name, err)
		}
		line.Color, line.Width = colours[i%len(colours)], vg.Points(1.5)
		marks.Color, marks.Shape, marks.Radius = line.Color, shapes[i%len(shapes)], vg.Points(3)
		p.Add(line, marks)
		p.Legend.Add(series.Name, line, marks)
	}
	if math.IsInf(lowest, 1) {
		return nil, fmt.Errorf("%s has no points", curve.Name)
	}
	// Whole decades, and room for the legend above.
	p.Y.Min = math.Pow(10, math.Floor(math.Log10(lowest)))
	p.Y.Max = math.Pow(10, math.Ceil(math.Log10(highest)+0.1))
	p.Y.Max *= math.Pow(10, 0.18*float64(len(curve.Series))*math.Log10(p.Y.Max/p.Y.Min)/4)
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(6), vg.Points(-4)
	p.Legend.Padding = vg.Points(3)
	return p, nil
}

// ticks marks the decades, labelled, and what is between them.
type ticks struct{}

// Ticks implements plot.Ticker.
func (ticks) Ticks(low, high float64) []plot.Tick {
	var made []plot.Tick
	for decade := math.Floor(math.Log10(low)); decade <= math.Ceil(math.Log10(high)); decade++ {
		base := math.Pow(10, decade)
		for step := 1.0; step < 10; step++ {
			value := step * base
			if value < low*0.999 || value > high*1.001 {
				continue
			}
			label := ""
			if step == 1 {
				label = grouped(value)
			}
			made = append(made, plot.Tick{Value: value, Label: label})
		}
	}
	return made
}

// grouped writes thousands with a comma.
func grouped(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if v < 1 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
