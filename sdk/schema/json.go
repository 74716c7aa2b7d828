package schema

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// MarshalValue encodes a validated value as JSON for the wire. Numbers are
// written in full, so every int64 and uint64 survives; object members are in
// sorted order, so equal values encode to equal bytes. The bytes hold
// sensitive values in the clear.
func (s *Schema) MarshalValue(v cty.Value) ([]byte, error) {
	v, _ = v.UnmarkDeep()
	ty := s.CtyType()
	if v == cty.NilVal || !v.IsWhollyKnown() || !v.Type().Equals(ty) {
		return nil, errors.New("the value does not conform to the schema: pass it through Validate first")
	}
	if err := checkNumbers(v); err != nil {
		return nil, err
	}
	return ctyjson.Marshal(v, ty)
}

// UnmarshalValue decodes what MarshalValue wrote. The result conforms to the
// schema's CtyType; it has not been validated, so hand what comes from an
// untrusted peer to Validate. It may be the null value.
func (s *Schema) UnmarshalValue(data []byte) (cty.Value, error) {
	v, err := ctyjson.Unmarshal(data, s.CtyType())
	if err != nil {
		return cty.NilVal, fmt.Errorf("decode configuration value: %w", pathError(err))
	}
	if err := checkNumbers(v); err != nil {
		return cty.NilVal, fmt.Errorf("decode configuration value: %w", err)
	}
	return v, nil
}

// pathError names the attribute at fault, but no key of a map, which may be
// sensitive.
func pathError(err error) error {
	var at cty.PathError
	if !errors.As(err, &at) {
		return err
	}
	names := at.Path
	for i, step := range at.Path {
		if _, ok := step.(cty.IndexStep); ok {
			names = at.Path[:i]
			break
		}
	}
	if len(names) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w", FormatPath(names), err)
}

// checkNumbers refuses numbers that no float64 comes near. Their decimal
// form, which JSON wants in full, can take gigabytes.
func checkNumbers(v cty.Value) error {
	return cty.Walk(v, func(path cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.Number && !v.IsNull() && !representable(v.AsBigFloat()) {
			return false, pathError(path.NewErrorf("%s", numberRange))
		}
		return true, nil
	})
}

const numberRange = "the number is out of range: its magnitude must be 0 or between 1e-300 and 1e300"

func representable(n *big.Float) bool {
	if n.IsInf() {
		return false
	}
	magnitude, _ := new(big.Float).Abs(n).Float64()
	return n.Sign() == 0 || (magnitude >= 1e-300 && magnitude <= 1e300 && !math.IsInf(magnitude, 0))
}
