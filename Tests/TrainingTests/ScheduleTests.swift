import Training
import XCTest

/// Learning rates against Hugging Face's and DeepSpeed's schedules (warm-up 5 of 20 steps).
final class ScheduleTests: XCTestCase {
  func testLinear() {
    check(
      .warmupLinear,
      [0, 1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 4.666666666666667e-05, 4.3333333333333334e-05])
  }

  func testLogarithmicRunsOneStepBehind() {
    check(
      .warmupLog,
      [
        0, 0, 2.1533827903669654e-05, 3.413030972429927e-05, 4.306765580733931e-05, 5e-5, 5e-5,
        4.666666666666667e-05,
      ])
  }

  func testCosine() {
    check(.cosine, [0, 1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 4.9453690018345144e-05])
    check(.cosine, from: 19, [5.463099816548579e-07, 0])
  }

  func testConstant() { check(.constant, from: 5, [5e-5, 5e-5]) }

  private func check(
    _ shape: LearningRateSchedule.Shape, from first: Int = 0, _ expected: [Double]
  ) {
    let schedule = LearningRateSchedule(shape: shape, peak: 5e-5, warmupSteps: 5, totalSteps: 20)
    for (offset, rate) in expected.enumerated() {
      XCTAssertEqual(schedule.rate(step: first + offset), rate, accuracy: 1e-12)
    }
  }
}
