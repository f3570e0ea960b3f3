// The FML demo's client in Go: JSON in the environment, JSON on standard output.
// The same toy as in ../mission-client-c/main.c, number for number.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
)

const (
	samples    = 512
	weightsMax = 4096
	noise      = 0.05
)

type model struct {
	W []float32 `json:"w"`
	B *float32  `json:"b"`
}

type hyperparams struct {
	Epochs    float64 `json:"epochs"`
	Rate      float64 `json:"lr"`
	BatchSize float64 `json:"batch_size"`
}

type update struct {
	RoundID      string             `json:"round_id"`
	BaseModelURI string             `json:"base_model_uri"`
	NumSamples   int                `json:"num_samples"`
	Metrics      map[string]float64 `json:"metrics"`
	Update       map[string]any     `json:"update"`
}

// splitmix64 (Steele, Lea, Flood 2014).
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9E3779B97F4A7C15
	z := uint64(*r)
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	return z ^ (z >> 31)
}

// Uniform in [-limit, limit).
func (r *rng) within(limit float64) float64 {
	return (2*(float64(r.next()>>11)/(1<<53)) - 1) * limit
}

// FNV-1a (Fowler, Noll, Vo), 64 bits.
func hash(text string) uint64 {
	h := uint64(0xCBF29CE484222325)
	for i := 0; i < len(text); i++ {
		h = (h ^ uint64(text[i])) * 0x100000001B3
	}
	return h
}

type toy struct {
	x [][]float64
	y []float64
	w []float64
	b float64
}

func newToy(m model, propletID string) *toy {
	t := &toy{b: float64(*m.B)}
	for _, w := range m.W {
		t.w = append(t.w, float64(w))
	}
	r := rng(hash(propletID))
	for i := 0; i < samples; i++ {
		x, y := make([]float64, len(t.w)), 0.5
		for j := range x {
			x[j] = r.within(1)
			y += float64(0.1 * float64(j+1) * x[j])
		}
		t.x, t.y = append(t.x, x), append(t.y, y+r.within(noise))
	}
	return t
}

// step makes one step over points first to first+count-1 and returns their sum
// of squared errors. float64() around a product keeps Go from fusing it with the
// sum, so that every machine gives the same number.
func (t *toy) step(first, count int, rate float64) float64 {
	loss, gb := 0.0, 0.0
	g := make([]float64, len(t.w))
	for i := first; i < first+count; i++ {
		e := t.b - t.y[i]
		for j, x := range t.x[i] {
			e += float64(t.w[j] * x)
		}
		loss += float64(e * e)
		gb += e
		for j, x := range t.x[i] {
			g[j] += float64(e * x)
		}
	}
	scale := 2 * rate / float64(count)
	for j := range t.w {
		t.w[j] -= float64(scale * g[j])
	}
	t.b -= float64(scale * gb)
	return loss
}

// train returns the mean squared error over the last epoch, each batch before
// its step.
func (t *toy) train(epochs, batch int, rate float64) float64 {
	loss := 0.0
	for epoch := 0; epoch < epochs; epoch++ {
		loss = 0
		for first := 0; first < samples; first += batch {
			loss += t.step(first, min(batch, samples-first), rate)
		}
	}
	return loss / samples
}

func readModel() (m model, err error) {
	data := []byte(os.Getenv("MODEL_DATA"))
	if len(data) == 0 {
		if data, err = os.ReadFile(os.Getenv("MODEL_PATH")); err != nil {
			return m, fmt.Errorf("there is no base model: %w", err)
		}
	}
	if err = json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("the model is not JSON: %w", err)
	}
	if len(m.W) == 0 || len(m.W) > weightsMax || m.B == nil {
		return m, errors.New(`the model is not {"w":[...],"b":...}`)
	}
	return m, nil
}

func readHyperparams() (h hyperparams, err error) {
	h = hyperparams{Epochs: 1, Rate: 0.01, BatchSize: 16}
	if text := os.Getenv("HYPERPARAMS"); text != "" {
		if err = json.Unmarshal([]byte(text), &h); err != nil {
			return h, fmt.Errorf("HYPERPARAMS: %w", err)
		}
	}
	whole := h.Epochs == math.Trunc(h.Epochs) && h.BatchSize == math.Trunc(h.BatchSize)
	if !whole || h.Epochs < 1 || h.Epochs > 1000 || h.BatchSize < 1 || h.BatchSize > samples ||
		h.Rate < 0 || h.Rate > 1000 {
		return h, errors.New("HYPERPARAMS: epochs, batch_size or lr is out of range")
	}
	return h, nil
}

// learn fills in the update's numbers.
func learn(u *update) error {
	m, err := readModel()
	if err != nil {
		return err
	}
	h, err := readHyperparams()
	if err != nil {
		return err
	}
	t := newToy(m, os.Getenv("PROPLET_ID"))
	if os.Getenv("MODE") == "evaluate" { // a step of rate 0 only measures
		u.Metrics["loss"] = t.train(1, samples, 0)
		return nil
	}
	u.Metrics["loss"] = t.train(int(h.Epochs), int(h.BatchSize), h.Rate)
	w := make([]float32, len(t.w))
	for j := range w {
		w[j] = float32(t.w[j])
	}
	u.Update["w"], u.Update["b"] = w, float32(t.b)
	return nil
}

func run() error {
	u := update{
		RoundID:      os.Getenv("ROUND_ID"),
		BaseModelURI: os.Getenv("MODEL_URI"),
		NumSamples:   samples,
		Metrics:      map[string]float64{},
		Update:       map[string]any{},
	}
	if u.RoundID == "" || u.BaseModelURI == "" {
		return errors.New("ROUND_ID or MODEL_URI is not set")
	}
	if err := learn(&u); err != nil {
		return err
	}
	// A model that diverged holds numbers that JSON has not: an error here.
	return json.NewEncoder(os.Stdout).Encode(u)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mission-client-go:", err)
		os.Exit(1)
	}
}
