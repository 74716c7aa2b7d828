package storage

// ValidateGet reports a malformed Get as InvalidArgument.
func ValidateGet(key string, opts GetOptions) error {
	if err := opts.Range.Validate(); err != nil {
		return err
	}
	return ValidateStat(key, StatOptions{IfMatch: opts.IfMatch, Consistency: opts.Consistency})
}

// ValidateStat reports a malformed Stat as InvalidArgument.
func ValidateStat(key string, opts StatOptions) error {
	if opts.IfMatch != "" {
		if err := ValidateETag(opts.IfMatch); err != nil {
			return err
		}
	}
	if err := validateConsistency(opts.Consistency); err != nil {
		return err
	}
	return ValidateKey(key)
}

// ValidatePut reports a malformed Put as InvalidArgument. Metadata may be as
// large as a backend must take; see [ValidateCallerMetadata] for callers.
func ValidatePut(key string, opts PutOptions) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	switch {
	case opts.TTL < 0:
		return Errorf(CodeInvalidArgument, "the TTL is negative: %v", opts.TTL)
	case opts.TTL > MaxTTL:
		return Errorf(CodeInvalidArgument, "the TTL %v is over the limit of %v", opts.TTL, MaxTTL)
	case opts.SizeHint < 0:
		return Errorf(CodeInvalidArgument, "the size hint is negative: %d", opts.SizeHint)
	}
	if err := opts.If.Validate(); err != nil {
		return err
	}
	if err := ValidateContentType(opts.ContentType); err != nil {
		return err
	}
	if err := validateConsistency(opts.Consistency); err != nil {
		return err
	}
	return ValidateMetadata(opts.Metadata)
}

// ValidateDelete reports a malformed Delete as InvalidArgument.
func ValidateDelete(key string, opts DeleteOptions) error {
	if opts.If.Kind == ConditionAbsent {
		return Errorf(CodeInvalidArgument, "a delete cannot ask for the absence of the object")
	}
	if err := opts.If.Validate(); err != nil {
		return err
	}
	if err := validateConsistency(opts.Consistency); err != nil {
		return err
	}
	return ValidateKey(key)
}

// ValidateList reports a malformed List as InvalidArgument. Whether a token
// belongs to the listing only its backend can tell.
func ValidateList(opts ListOptions) error {
	if opts.Limit < 0 || opts.Limit > MaxListLimit {
		return Errorf(CodeInvalidArgument, "the limit %d is not in the range 0 to %d", opts.Limit, MaxListLimit)
	}
	if len(opts.Token) > MaxTokenBytes {
		return badToken()
	}
	if err := ValidatePrefix(opts.Delimiter); err != nil {
		return err
	}
	if err := validateConsistency(opts.Consistency); err != nil {
		return err
	}
	return ValidatePrefix(opts.Prefix)
}

// ValidateWatch reports a malformed Watch as InvalidArgument.
func ValidateWatch(opts WatchOptions) error {
	if len(opts.Cursor) > MaxTokenBytes {
		return Errorf(CodeInvalidArgument, "the cursor has %d bytes; at most %d are allowed", len(opts.Cursor), MaxTokenBytes)
	}
	return ValidatePrefix(opts.Prefix)
}

// ValidateCopy reports a malformed Copy as InvalidArgument.
func ValidateCopy(src, dst string, opts CopyOptions) error {
	if err := ValidateStat(src, StatOptions{IfMatch: opts.SourceIfMatch}); err != nil {
		return err
	}
	return ValidatePut(dst, PutOptions{If: opts.If})
}

func validateConsistency(c Consistency) error {
	if c > ConsistencyStrong {
		return Errorf(CodeInvalidArgument, "unknown consistency level %d", c)
	}
	return nil
}
