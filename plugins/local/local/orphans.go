package local

// removeOrphans removes the files that earlier openings of the store left
// behind: of writes that did not reach their commit, and of versions that were
// replaced just before a crash. Files of this opening are looked after by the
// writes themselves.
func (s *store) removeOrphans(e *diskEngine) {
	this := s.versions.next()
	removed := 0
	err := e.files.each(func(id versionID) bool {
		if id.sameOpening(this) {
			return true
		}
		if !s.gate.enter() {
			return false
		}
		defer s.gate.leave()
		known, err := e.index.hasFile(id)
		if err != nil {
			s.logger.Warn("left-over files could not be looked for", "error", err)
			return false
		}
		if !known {
			e.files.remove(id)
			removed++
		}
		return true
	})
	if err != nil {
		s.logger.Warn("left-over files could not be looked for", "error", err)
	}
	if removed > 0 {
		s.logger.Info("files of unfinished writes were removed", "files", removed)
	}
}
