package main

import "time"

// This file is the part of a tokenSource that deals with the other workers of the
// gateway. Without sharing, each worker is alone and these do nothing.

func (s *tokenSource) readShared() (record sharedToken, cas uint32) {
	return readShared(s.client.host, s.sharedKey, len(s.client.scope.protected))
}

// writeShared writes what change makes of the record, again when another worker was
// faster. change returns false when there is nothing to write.
func (s *tokenSource) writeShared(change func(*sharedToken) bool) bool {
	const attempts = 5
	for range attempts {
		record, cas := s.readShared()
		if !change(&record) {
			return false
		}
		if s.client.host.setSharedData(s.sharedKey, record.encode(), cas) {
			return true
		}
	}
	return false
}

// adoptShared takes the token that another worker brought, if it is news.
func (s *tokenSource) adoptShared(life *tokenLife, now time.Duration) bool {
	if s.sharedKey == "" {
		return false
	}
	record, _ := s.readShared()
	return life.adopt(now, record.token)
}

// publish gives the other workers the token that has just come.
func (s *tokenSource) publish(life *tokenLife, now time.Duration) {
	if s.sharedKey == "" || !life.token.validAt(now) {
		return
	}
	s.writeShared(func(record *sharedToken) bool {
		record.token, record.renewedUntil = life.token, 0
		return true
	})
}

// takeLease makes this worker the one that renews the token, until a time by which
// it has done so or has failed.
func (s *tokenSource) takeLease(now, until time.Duration) bool {
	if s.sharedKey == "" {
		return true
	}
	record, cas := s.readShared()
	if now < record.renewedUntil {
		return false
	}
	record.renewedUntil = until
	return s.client.host.setSharedData(s.sharedKey, record.encode(), cas)
}

// holdBackRenewal has the other workers wait as long as this one before the next try.
func (s *tokenSource) holdBackRenewal(life *tokenLife, now time.Duration) {
	if s.sharedKey == "" || !life.token.validAt(now) {
		return
	}
	s.writeShared(func(record *sharedToken) bool {
		record.renewedUntil = life.retry.until
		return record.token.same(life.token)
	})
}

// heardOfRefusal tells whether another worker has withdrawn the token or brought
// another. If not, this one learns how the earlier refusals are spaced, as the
// backoff after them is one for all workers.
func (s *tokenSource) heardOfRefusal(life *tokenLife, t *token) bool {
	if s.sharedKey == "" {
		return false
	}
	record, _ := s.readShared()
	if !record.token.same(t) {
		return true
	}
	life.refused.catchUp(record.refused)
	return false
}

// withdraw takes a refused token away from the workers that have not seen it yet. It tells
// whether nobody had done so before.
func (s *tokenSource) withdraw(life *tokenLife, t *token) bool {
	if s.sharedKey == "" {
		return true
	}
	return s.writeShared(func(record *sharedToken) bool {
		if !record.token.same(t) {
			return false
		}
		*record = sharedToken{refused: life.refused}
		return true
	})
}
