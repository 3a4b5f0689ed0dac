package rowjson

import "slices"

// Unknown returns the fields that the generated code answers, sorted: those of root types, of which rows are the values, left
// out.
func (r *Rows) Unknown() (names []string) {
	for _, o := range r.objects {
		for name, b := range o.fields {
			if o.typ != nil && !b.known() {
				names = append(names, o.definition.Name+"."+name)
			}
		}
	}
	slices.Sort(names)
	return names
}
