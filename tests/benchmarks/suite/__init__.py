"""What ./bench is made of: a stand with everything that is measured, rows, and a report."""
